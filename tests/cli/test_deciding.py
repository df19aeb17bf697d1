"""Deciding by the command: with evidence, with typed answers, and several people at once."""

from __future__ import annotations

import asyncio
import html
import re
from argparse import Namespace

import pytest
from in_process import plan_of, reviewing
from msgspec import json
from somagent_shell import Shell
from terminal import Terminal

from somagent.cli.exits import UserError
from somagent.cli.given import given_answers
from somagent.operators.runner.records import NO_ITEM, Waiting
from somagent.workflows.engines.local import audit
from somagent.workflows.engines.protocol import RunView

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


def test_answers_reach_the_steps_after_with_their_types(somagent: Shell) -> None:
    assert somagent("run", somagent.capsule("levels", LEVELS), "--as", "ana").code == 3
    shown = somagent("show").out
    assert "ask --as NAME --answer level=... --answer note=...   (or reject)" in shown
    assert "    file notes.txt (8 bytes)\n      | one\n      | two\n      copy: somagent artifacts r-" in shown
    answers = ("--answer", "level=4", "--answer", "note=it's = so")
    done = somagent("approve", "last", "ask", "--as", "bo", *answers, "--output", "json")
    assert (done.code, done.json["outputs"]) == (0, {"said": "it's = so 5"})
    assert done.json["decisions"][0]["outputs"] == {"level": 4, "note": "it's = so"}
    assert "note: it's = so" in html.unescape((somagent.folder / done.json["report"]).read_text())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("level=x", "`--answer level=x`: `level` is of type integer, written as JSON"),
        ("level", "`--answer level` has no `=`; write `--answer NAME=VALUE`"),
        ('move={"to": 1, "to": 2}', "`--answer move=...`: the key `to` is given twice"),
    ],
)
def test_an_answer_that_cannot_be_read_is_said(answer: str, why: str) -> None:
    types = {"Move": {"type": "object"}}
    waiting = Waiting(title="?", outputs={"level": {"type": "integer"}, "move": {"$ref": "#/types/Move"}}, types=types)
    with pytest.raises(UserError, match=re.escape(why)):
        given_answers(Namespace(answer=[answer]), waiting)


def test_in_a_terminal_the_evidence_is_shown_and_answers_are_asked_for_until_they_are_right(somagent: Shell) -> None:
    with Terminal(somagent, "run", somagent.capsule("levels", LEVELS), "--as", "ana") as screen:
        screen.until("? How far?  (step ask)\n    asked 20")
        screen.until("      | two\n")
        screen.until("  approve, reject or later? [a/r/L] ")
        screen.type("l\n")
        assert screen.ended() == 3
    answers = ("--answer", "level=1", "--answer", "note=x")
    with Terminal(somagent, "approve", "last", "ask", "--as", "bo", *answers) as screen:
        screen.until("      | two\n")
        screen.until("  approve? [y/N] ")
        screen.type("\n")
        assert screen.ended() == 2
    assert "nothing was written down" in screen.text
    with Terminal(somagent, "resume", "last") as screen:
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
    entry = json.decode(list(audit.lines(somagent.folder / ".somagent"))[-1])
    assert (entry["comment"], entry["outputs"]) == ("looked at it", {"level": 2, "note": "go on"})


def test_who_comes_to_the_same_a_moment_later_is_told_so_plainly(somagent: Shell, gated: str) -> None:
    assert somagent("run", gated).code == 3
    assert somagent("approve", "last", "ask", "--as", "ana", "--no-resume").code == 0
    same = somagent("approve", "last", "ask", "--as", "bo")
    assert (same.code, same.err) == (0, "")
    said = "ask is approved already, by ana; yours is not needed, and is not written down; go on: somagent resume r-"
    assert same.out.startswith(said)
    other = somagent("reject", "last", "ask", "--as", "cy")
    assert (other.code, "step `ask` is decided: approved by ana; what comes after" in other.err) == (2, True)
    assert [one["by"] for one in somagent("show", "last", "--output", "json").json["decisions"]] == ["ana"]


def test_of_people_who_decide_at_once_each_counts_once_and_the_first_who_ends_it_holds(somagent: Shell) -> None:
    """Four processes at once: on `ask/0` one person twice, on `one` an approval and a rejection."""
    directory = somagent.folder / ".somagent"

    async def work(run: str = "") -> RunView:
        async with reviewing(directory) as engine:
            plan = plan_of("pairs", PAIRS)
            return await engine.run(run or await engine.submit(plan, {}, submitter="dan", files={}))

    run = asyncio.run(work()).run.id
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
    view = asyncio.run(work(run))
    assert sorted((one.step, one.item) for one in view.decisions) == [("ask", 0), ("one", NO_ITEM)]
    approved = next(one.approve for one in view.decisions if one.step == "one")
    assert [step.phase for step in view.steps] == ["Waiting", "Succeeded" if approved else "Failed"]
    assert not audit.check(directory).fault
