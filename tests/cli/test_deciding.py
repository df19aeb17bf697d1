"""Deciding by the command: with evidence, with typed answers, and several people at once."""

from __future__ import annotations

import pytest
from msgspec import json
from somagent_shell import Shell
from terminal import Terminal

LEVELS = """\
  steps:
    build:
      script: { run: 'printf "one\\ntwo\\n" > notes.txt' }
      outputs: { notes: { type: artifact, path: notes.txt } }
    ask:
      review: { title: 'How far?', show: [steps.build.notes, "'forty-two'"] }
      outputs:
        level: { type: integer, minimum: 1, maximum: 5, description: How risky }
        note: { type: string }
    after:
      script:
        env: { LEVEL: "${{ steps.ask.level + 1 }}", NOTE: "${{ steps.ask.note }}" }
        run: 'echo "said=$NOTE $LEVEL" >> "$SOMAGENT_OUTPUT"'
      outputs: { said: { type: string } }
  outputs: { said: "${{ steps.after.said }}" }
"""
PAIRS = """\
  steps:
    ask:
      forEach: "${{ ['first', 'second'] }}"
      review: { title: "${{ item }}?", reviewers: { count: 2 } }
    one: { review: { title: 'One?' } }
"""


@pytest.fixture
def levels(somagent: Shell) -> str:
    """A parked run whose gate asks for values."""
    assert somagent("run", somagent.capsule("levels", LEVELS), "--as", "ana").code == 3
    return "last"


def test_answers_are_held_against_their_types_and_reach_the_steps_after(somagent: Shell, levels: str) -> None:
    shown = somagent("show", levels).out
    assert "approve r-" in shown
    assert "ask --as NAME --answer level=... --answer note=...   (or reject)" in shown
    assert "    file notes.txt (8 bytes)\n      | one\n      | two\n      copy: somagent artifacts r-" in shown
    assert "    forty-two\n    asks for level (integer: How risky)\n    asks for note (string)\n" in shown
    approve = ("approve", levels, "ask", "--as", "bo")
    for answers, why in (
        ((), "`level` is missing (integer: How risky); `note` is missing (string)"),
        (("level=9", "note=x"), "`level`: 9 is greater than the maximum of 5"),
        (("level=x", "note=x"), "`--answer level=x`: `level` is of type integer, written as JSON"),
        (("level",), "`--answer level` has no `=`; write `--answer NAME=VALUE`"),
        (("level=1", "note=x", "levle=1"), "`levle` is not asked for; did you mean `level`?"),
    ):
        refused = somagent(*approve, *(part for one in answers for part in ("--answer", one)))
        assert (refused.code, why in refused.err) == (2, True), refused.err
    done = somagent(*approve, "--answer", "level=4", "--answer", "note=it's = so", "--output", "json")
    assert (done.code, done.json["outputs"]) == (0, {"said": "it's = so 5"})
    assert done.json["decisions"][0]["outputs"] == {"level": 4, "note": "it's = so"}
    entry = json.decode(somagent("audit").out.splitlines()[-1])
    assert entry["outputs"] == {"level": 4, "note": "it's = so"}


def test_in_a_terminal_they_are_asked_for_until_they_are_right(somagent: Shell, levels: str) -> None:
    with Terminal(somagent, "resume", levels) as screen:
        screen.until("? How far?  (step ask)\n    asked 20")
        screen.until("      | two\n")
        screen.until("  approve, reject or later? [a/r/L] ")
        screen.type("a looked at it\n")
        screen.until("  level (integer: How risky): ")
        screen.type("7\n")
        screen.until("`level`: 7 is greater than the maximum of 5\n  level (integer: How risky): ")
        screen.type("seven\n")
        screen.until("it is of type integer, written as JSON\n")
        screen.type("2\n")
        screen.until("  note (string): ")
        screen.type("go on\n")
        assert screen.ended() == 0
    assert "said = go on 3\n" in screen.text
    assert somagent("show", "last", "--output", "json").json["decisions"][0]["comment"] == "looked at it"


def test_in_a_terminal_the_evidence_is_shown_and_asked_whether_it_is_meant(somagent: Shell, levels: str) -> None:
    answers = ("--answer", "level=1", "--answer", "note=x")
    with Terminal(somagent, "approve", levels, "ask", "--as", "bo", *answers) as screen:
        screen.until("      | two\n")
        screen.until("  approve? [y/N] ")
        screen.type("\n")
        assert screen.ended() == 2
    assert "nothing was written down" in screen.text
    assert somagent("show", "last", "--output", "json").json["decisions"] == []
    with Terminal(somagent, "approve", levels, "ask", "--as", "bo", *answers, "--yes") as screen:
        assert screen.ended() == 0
    assert "[y/N]" not in screen.text


WAITING = """\
  steps:
    ask:
      forEach: "${{ ['first', 'second'] }}"
      review:
        title: "${{ item }}?"
        reviewers: { users: [ana, bo], groups: [leads], count: 2, notSubmitter: true }
        due: 31d
"""


def test_whom_runs_wait_for_is_listed(somagent: Shell, levels: str) -> None:
    assert somagent("run", somagent.capsule("waiting", WAITING), "--as", "dan").code == 3
    assert somagent("approve", "last", "ask/1", "--as", "bo", "--no-resume").code == 0
    listed = somagent("runs", "--waiting", "--output", "json").json
    assert [(one["step"], one["title"], one["approvedBy"]) for one in listed] == [
        ("ask", "How far?", []),
        ("ask/0", "first?", []),
        ("ask/1", "second?", ["bo"]),
    ]
    assert [one["due"] is not None for one in listed] == [False, True, True]
    text = somagent("runs", "--waiting").out.splitlines()
    assert text[4].endswith(" ask/1: second?")
    assert text[1].startswith("    since 20")
    assert text[1].endswith(": anyone")
    assert text[5].endswith(" (then: reject): ana, bo, members of leads, not dan; 1 of 2 approvals (bo)")
    assert somagent("approve", levels, "ask/1", "--as", "ana", "--yes").code == 3
    assert somagent("cancel", levels).code == 0
    assert len(somagent("runs", "--waiting").out.splitlines()) == 2


def test_of_people_who_decide_at_once_each_counts_once_and_the_first_who_ends_it_holds(somagent: Shell) -> None:
    """Four processes at once: on `ask/0` one person twice, on `one` an approval and a rejection."""
    assert somagent("run", somagent.capsule("pairs", PAIRS), "--as", "dan").code == 3
    commands = [
        ("approve", "last", "ask/0", "--as", "ana"),
        ("approve", "last", "ask/0", "--as", "ANA"),
        ("approve", "last", "one", "--as", "bo"),
        ("reject", "last", "one", "--as", "cy"),
    ]
    processes = [somagent.start(*command, "--no-resume") for command in commands]
    ended = [(process.communicate()[1], process.returncode) for process in processes]
    assert sorted(code for _, code in ended[:2]) == [0, 2]
    assert sorted(code for _, code in ended[2:]) == [0, 2]
    said = "".join(error for error, _ in ended)
    assert "has decided on step `ask` already" in said
    assert "step `one` is decided: " in said
    decisions = somagent("show", "last", "--output", "json").json["decisions"]
    assert sorted((one["step"], one["item"]) for one in decisions) == [("ask", 0), ("one", None)]
    approved = next(one["approve"] for one in decisions if one["step"] == "one")
    on = somagent("resume", "last", "--output", "json").json
    assert on["steps"]["one"]["phase"] == ("Succeeded" if approved else "Failed")
    assert on["steps"]["ask"]["phase"] == "Waiting"
    assert somagent("audit", "verify").code == 0
