"""Decisions and cancellations beside another process, and interrupted runs: nothing that was said gets lost."""

from collections.abc import Callable

from somagent_shell import Shell
from terminal import Terminal

Wait = Callable[[Callable[[], bool]], None]
BUSY = "  steps:\n    nap: { script: { run: 'echo up; sleep 30' } }\n"


def test_a_decision_beside_another_run_is_written_down_and_said(somagent: Shell, gated: str, wait_until: Wait) -> None:
    run_id = somagent("run", gated, "--output", "json").json["id"]
    process = somagent.start("run", somagent.capsule("busy", BUSY))
    lease = somagent.folder / ".somagent" / "lease"
    wait_until(lambda: str(process.pid) in lease.read_text())
    approved = somagent("approve", run_id, "ask", "--as", "ann")
    assert (approved.code, approved.err) == (0, "")
    assert approved.out == (
        f"approved ask as ann; process {process.pid} is at work here; when it has ended, go on: "
        f"somagent resume {run_id}\n"
    )
    cancelled = somagent("cancel", run_id)
    assert (cancelled.code, cancelled.err) == (0, "")
    assert cancelled.out.startswith(f"asked {run_id} to stop; process {process.pid} is at work here; ")
    assert somagent("show", run_id, "--output", "json").json["decisions"][0]["by"] == "ann"
    process.terminate()
    process.communicate(timeout=20)
    assert somagent("resume", run_id).code == 4


def test_a_question_in_a_terminal_notices_a_decision_from_elsewhere(somagent: Shell, gated: str) -> None:
    with Terminal(somagent, "run", gated) as screen:
        screen.until("[a/r/L] ")
        approved = somagent("approve", "last", "ask", "--as", "ann")
        assert (approved.code, approved.err) == (0, "")
        assert screen.ended() == 0
    assert "decided or cancelled elsewhere" in screen.text
    assert "answer = 42" in screen.text


def test_a_question_in_a_terminal_notices_a_cancellation(somagent: Shell, gated: str) -> None:
    with Terminal(somagent, "run", gated) as screen:
        screen.until("[a/r/L] ")
        assert somagent("cancel", "last").code == 0
        assert screen.ended() == 4


def test_a_question_in_a_terminal_notices_that_its_time_is_over(somagent: Shell) -> None:
    name = somagent.capsule("due", "  steps:\n    ask: { review: { title: 'Now?', due: 2s, onTimeout: reject } }\n")
    with Terminal(somagent, "run", name) as screen:
        screen.until("[a/r/L] ")
        assert screen.ended() == 1


def test_who_has_approved_is_not_asked_again(somagent: Shell) -> None:
    name = somagent.capsule("two", "  steps:\n    ask: { review: { title: 'Both?', reviewers: { count: 2 } } }\n")
    with Terminal(somagent, "run", name) as screen:
        screen.until("[a/r/L] ")
        screen.type("a\n")
        assert screen.ended() == 3
    assert screen.text.count("[a/r/L]") == 1
    assert "you have approved; 2 approvals needed, 1 given" in screen.text


def test_only_a_run_with_the_same_inputs_and_submitter_is_offered(somagent: Shell, wait_until: Wait) -> None:
    name = somagent.capsule(
        "to",
        """\
  inputs: { stage: { type: string } }
  steps:
    go: { script: { run: 'echo up; test -e done || sleep 30', env: { STAGE: "${{ inputs.stage }}" } } }
  outputs: { stage: "${{ inputs.stage }}" }
""".replace("-e done", f"-e {somagent.folder}/done"),
    )
    process = somagent.start("run", name, "--input", "stage=STAGING", "--as", "ann")
    wait_until(lambda: any((somagent.folder / ".somagent").glob("logs/*/*.log")))
    process.kill()
    process.communicate(timeout=20)
    somagent.write("done", "")
    run_id = somagent("runs", "--output", "json").json[0]["id"]
    with Terminal(somagent, "run", name, "--input", "stage=PRODUCTION", "--as", "ann") as screen:
        assert screen.ended() == 0
    assert f"note: run {run_id} of this capsule, with other inputs, was interrupted; `somagent resume" in screen.text
    assert "stage = PRODUCTION" in screen.text
    with Terminal(somagent, "run", name, "--input", "stage=STAGING", "--as", "bo") as screen:
        assert screen.ended() == 0
    assert "with another submitter, was interrupted" in screen.text
    with Terminal(somagent, "run", name, "--input", "stage=STAGING", "--as", "ann") as screen:
        screen.until("[Y/n] ")
        screen.type("\n")
        assert screen.ended() == 0
    assert f"run {run_id} (" in screen.text
    assert "0 of 1 steps done; stage=STAGING) of this capsule was interrupted" in screen.text
    assert somagent("show", run_id, "--output", "json").json["phase"] == "Succeeded"


def test_a_decision_on_what_does_not_wait_says_what_does(somagent: Shell) -> None:
    name = somagent.capsule(
        "fan",
        "  steps:\n    ask: { forEach: '${{ [1, 2] }}', review: { title: 'Each?' } }\n",
    )
    run_id = somagent("run", name, "--output", "json").json["id"]
    for step, said in (
        ("nope", f"{run_id} has no step `nope`; these wait for a decision: ask/0, ask/1"),
        ("ask", "step `ask` is a fan-out: write STEP/ITEM; these wait for a decision: ask/0, ask/1"),
        ("ask/7", "step `ask` has no item 7; these wait for a decision: ask/0, ask/1"),
    ):
        refused = somagent("approve", "last", step, "--as", "ann")
        assert (refused.code, refused.err) == (2, f"error: {said}\n")


def test_the_logs_of_one_item_are_printed_alone(somagent: Shell) -> None:
    name = somagent.capsule(
        "fan",
        """\
  steps:
    say: { forEach: "${{ ['a', 'b'] }}", script: { run: 'echo "$X"', env: { X: "${{ item }}" } } }
""",
    )
    assert somagent("run", name).code == 0
    assert somagent("logs", "last", "say/1").out == "say/1 | b\n"
    assert somagent("logs", "last", "say/1x").code == 2


def test_inputs_that_cannot_be_kept_exactly_are_refused(somagent: Shell) -> None:
    name = somagent.capsule(
        "exact",
        """\
  inputs:
    int: { type: integer, default: 0 }
    num: { type: number, default: 0 }
    obj: { type: object, default: {} }
  steps: { a: { script: { run: 'true' } } }
""",
    )
    beyond = "whole numbers beyond 9007199254740991 (2^53 - 1) cannot be kept exactly; give it as text"
    for pair, said in (
        ("int=99999999999999999999", f"input `int`: {beyond}"),
        ('obj={"deep": [{"n": -9007199254740992}]}', f"input `obj.deep.0.n`: {beyond}"),
        ("num=1e400", "input `num`: the number is too large (beyond 1.8e308)"),
        ('obj={"k": "\\ud800"}', "input `obj.k`: holds half of a surrogate pair, which is no text"),
        ('obj={"\\udfff": 1}', "input `obj (a key)`: holds half of a surrogate pair, which is no text"),
        ('obj={"k": 1, "k": 2}', "`--input obj=...`: the key `k` is given twice"),
    ):
        refused = somagent("run", name, "--input", pair)
        assert (refused.code, refused.err) == (2, f"error: {said}\n")
    assert somagent("run", name, "--input", f"int={2**53 - 1}", "--input", "num=1e300").code == 0
    for depth in (64, 900):
        nested = somagent("run", name, "--input", 'obj={"k": ' + "[" * depth + "]" * depth + "}")
        said = "input `obj`: nested more than 64 levels deep; give it as text, or as a file"
        assert (nested.code, nested.err) == (2, f"error: {said}\n")
    deep = somagent("run", name, "--input", "obj=" + "[" * 100_000)
    assert (deep.code, deep.err.count("\n")) == (2, 1)
