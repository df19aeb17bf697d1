"""A step that is a capsule, as pods and tasks run it: opened, its steps by themselves, closed by its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from bucket_place import Place

from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects import names, people
from somagent.workflows.engines.objects.engine import ObjectEngine
from somagent.workflows.engines.protocol import DecisionRefused
from somagent.workflows.engines.remote.capsules import close_run
from somagent.workflows.engines.remote.exits import Exit
from somagent.workflows.named_steps import waiting_steps

PART = """\
  inputs: { start: { type: integer } }
  steps:
    add:
      script: { run: 'echo "sum=$((START + 1))" >> "$SOMAGENT_OUTPUT"', env: { START: "${{ inputs.start }}" } }
      outputs: { sum: { type: integer } }
    check: { needs: [add], require: inputs.start < 10, script: { run: "true" } }
  outputs: { sum: "${{ steps.add.sum }}" }
"""
STEPS = """\
    part:
      if: CONDITION
      retry: { attempts: 2, backoff: 10ms, failures: [error] }
      capsule: { use: part, with: { start: NUMBER } }
    after: { needs: [part], script: { run: "true" } }
  uses: { capsules: { part: ./part.capsule.yaml } }
"""
USES = "  uses: { capsules: { part: ./part.capsule.yaml } }\n"


def steps(number: int, condition: str = "1 < 2") -> str:
    return STEPS.replace("NUMBER", str(number)).replace("CONDITION", condition)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_the_run_inside_is_made_once_and_gives_the_step_its_outputs(place):
    place.submit(steps(1), part=PART)
    for _ in range(2):  # a second program finds the run that was made
        assert place.do("open-run", "part")[0] == Exit.DONE
        assert (place.answer("phase"), place.answer("run")) == ("Running", f"{place.run}.part")
    inside = place.answer("run")
    for words in (["step", "add"], ["step", "check"]):
        assert place.do(*words, run=inside)[0] == Exit.DONE
    for _ in range(2):
        assert place.do("close-run", "part", inside)[0] == Exit.DONE
        assert place.answer("phase") == "Succeeded"
    assert place.do("--ends-run", "close-run", "part", inside)[0] == Exit.DONE
    assert place.view().ended_at is None
    for _ in range(2):
        assert place.do("--ends-run", "step", "after")[0] == Exit.DONE
        assert place.view().phase == "Succeeded"
    assert place.do("end")[0] == Exit.DONE
    part, _ = place.view().steps
    assert (part.phase, part.attempts, part.outputs) == ("Succeeded", 1, {"sum": 2})
    assert part.inner is not None
    assert part.inner.phase == "Succeeded"


def test_after_a_failure_another_run_takes_over_what_succeeded(place):
    place.submit(steps(10), part=PART)
    dies = "OBJECTS" not in os.environ
    for number, run in ((1, f"{place.run}.part"), (2, f"{place.run}.part-2")):
        if number == 2 and dies:
            die_before_the_submission(place, run)
        assert place.do("open-run", "part")[0] == Exit.DONE
        assert place.answer("run") == run
        assert place.do("step", "add", run=run)[0] == Exit.DONE
        assert place.do("step", "check", run=run)[0] == Exit.FAILED
        assert place.do("end", run=run)[0] == Exit.FAILED
        code, _ = place.do("close-run", "part", run)
        assert (code, place.answer("phase")) == [(Exit.DONE, "Pending"), (Exit.FAILED, "Failed")][number - 1]
        assert place.do("close-run", "part", run)[0] == code
    assert place.do("end")[0] == Exit.FAILED
    part, after = place.view().steps
    assert [one.failure.failure_class for one in part.history] == ["error", *["cut_off"] * dies, "error"]
    assert part.failure.message.startswith("capsule `part`: step `check`")
    assert [one.attempts for one in part.inner.steps] == [1, 1]
    assert part.inner.run.retry_of == f"{place.run}.part"
    assert after.phase == "Omitted"


def die_before_the_submission(place, run):
    """A process that makes the run is killed when what it takes over is stored; for readers there is no such run."""
    in_the_way = Path(place.address.removeprefix("file://")) / names.run_folder(run) / "deeds"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.symlink_to("nowhere")  # nothing is there, and to store something is tried for a minute
    process = place.start("open-run", "part")
    until = time.monotonic() + 30
    while not (in_the_way.parent / "steps" / "add" / "end.1").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    in_the_way.unlink()
    part, _ = place.view().steps
    assert (part.phase, part.inner.run.id) == ("Running", f"{place.run}.part")
    engine = ObjectEngine(place.address, place.folder / "data", {})
    assert [one.id for one in engine.runs(children=True)] == [f"{place.run}.part", place.run]
    assert [one.said for one in engine.examine() if one.state == "broken"] == []


def test_two_that_end_a_step_at_once_after_its_capsule_failed_find_the_same(place):
    place.submit(steps(10), part=PART)
    inside = f"{place.run}.part"
    assert place.do("open-run", "part")[0] == Exit.DONE
    assert place.do("step", "add", run=inside)[0] == Exit.DONE
    assert place.do("step", "check", run=inside)[0] == Exit.FAILED
    assert place.do("end", run=inside)[0] == Exit.FAILED

    async def main():
        workers = [await place.worker() for _ in range(4)]
        return await asyncio.gather(*(close_run(one, StepKey(place.run, "part")) for one in workers))

    first, *others = asyncio.run(main())
    assert (first.number, first.failure.child) == (1, inside)
    assert others == [first] * 3


def test_a_step_that_is_skipped_makes_no_run(place):
    place.submit(steps(1, "1 > 2"), part=PART)
    assert place.do("open-run", "part")[0] == Exit.DONE
    assert place.answer("phase") == "Skipped"
    code, said = place.do("close-run", "part", f"{place.run}.part")
    assert (code, said) == (Exit.REFUSED, f"error: there is no run {place.run}.part at {place.address}\n")


def test_what_is_inside_ends_with_a_run_that_ends_early(place):
    place.submit(steps(1), part=PART)
    assert place.do("open-run", "part")[0] == Exit.DONE
    inside = place.answer("run")
    assert place.do("step", "add", run=inside)[0] == Exit.DONE
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))
    assert place.do("step", "check", run=inside)[0] == Exit.CANCELLED
    assert place.do("end")[0] == Exit.CANCELLED
    part, after = place.view().steps
    assert (part.phase, after.phase) == ("Cancelled", "Omitted")
    assert (part.inner.phase, [one.phase for one in part.inner.steps]) == ("Cancelled", ["Succeeded", "Cancelled"])


@pytest.mark.parametrize(
    ("bound", "why", "failure"),
    [
        ("timeout: 700ms, ", "cut off after 0.7 s", "timeout"),
        ("budget: { wallClock: 700ms }, ", "cut off after 0.7 s", "budget"),
        ("", "the run's budget of wallClock 700ms is used up", "budget"),
    ],
    ids=["the step's deadline", "the step's budget", "the run's budget"],
)
def test_when_the_time_is_over_what_is_inside_is_cut_off_and_only_its_finally_runs(place, bound, why, failure):
    of_run = "" if bound else "  budget: { wallClock: 700ms }\n"
    place.submit(
        f"    part: {{ {bound}capsule: {{ use: part }} }}\n{USES}{of_run}",
        part="""\
  steps:
    quick: { script: { run: sleep 0.2 } }
    slow: { needs: [quick], script: { run: sleep 30 } }
    late: { script: { run: echo too late } }
    after: { needs: [slow], script: { run: echo never } }
  finally: { tidy: { script: { run: echo tidied } } }
""",
    )
    assert place.do("open-run", "part")[0] == Exit.DONE
    inside = place.answer("run")
    assert place.do("step", "quick", run=inside)[0] == Exit.DONE
    assert place.do("step", "slow", run=inside) == (Exit.FAILED, "")
    assert place.reason() == why
    assert place.do("step", "late", run=inside) == (Exit.FAILED, "")
    assert place.do("step", "after", run=inside)[0] == Exit.OMITTED
    assert place.do("step", "tidy", run=inside) == (Exit.DONE, "tidied\n")
    assert place.do("end", run=inside)[0] == Exit.FAILED
    assert place.do("close-run", "part", inside)[0] == Exit.FAILED
    (part,) = place.view().steps
    assert part.failure.failure_class == failure
    assert [step.phase for step in part.inner.steps] == ["Succeeded", "Failed", "Failed", "Omitted", "Succeeded"]


@pytest.mark.parametrize("bound", ["timeout: 2s, ", "budget: { wallClock: 2s }, ", ""])
def test_while_people_are_asked_inside_no_time_runs(place, bound):
    of_run = "" if bound else "  budget: { wallClock: 2s }\n"
    place.submit(
        f"    part: {{ {bound}capsule: {{ use: part }} }}\n{USES}{of_run}",
        part="""\
  steps:
    agree: { review: { title: Go on?, reviewers: { users: [bo] } } }
    after: { needs: [agree], script: { run: echo behind } }
""",
    )
    assert place.do("open-run", "part")[0] == Exit.DONE
    inside = place.answer("run")
    assert place.do("step", "agree", run=inside)[0] == Exit.DONE
    time.sleep(2.5)  # longer than that
    place.decide("agree", "bo", run=inside)
    assert place.do("step", "agree", run=inside)[0] == Exit.DONE
    assert place.do("step", "after", run=inside) == (Exit.DONE, "behind\n")
    assert place.do("end", run=inside)[0] == Exit.DONE
    assert place.do("close-run", "part", inside)[0] == Exit.DONE


def test_a_step_waits_while_people_are_asked_inside_its_capsule(place):
    agree = "  steps: { agree: { review: { title: 'Go on?' } } }\n"
    place.submit(
        "    part: { capsule: { use: part } }\n  uses: { capsules: { part: ./part.capsule.yaml } }\n", part=agree
    )
    assert place.do("open-run", "part")[0] == Exit.DONE
    inside = place.answer("run")
    assert place.do("step", "agree", run=inside)[0] == Exit.DONE
    view = place.view()
    (part,) = view.steps
    assert (view.phase, part.phase, part.attempts) == ("Waiting", "Waiting", 1)
    assert (part.waiting.title, part.waiting.child) == ("part/agree: Go on?", inside)
    assert [one.name for one in waiting_steps(view)] == ["part/agree"]
    with pytest.raises(DecisionRefused, match=r"waits for a step inside its capsule: part/agree: Go on\?"):
        place.decide("part", "bob")
    place.decide("agree", "bob", run=inside)
    for words, run in (
        (["step", "agree"], inside),
        (["end"], inside),
        (["close-run", "part", inside], ""),
        (["end"], ""),
    ):
        assert place.do(*words, run=run)[0] == Exit.DONE
    (part,) = place.view().steps
    assert (part.phase, part.attempts, part.waiting) == ("Succeeded", 1, None)


def test_who_ends_a_run_inside_late_leaves_the_next_one_alone(place):
    place.submit(steps(10), part=PART)
    first, second = f"{place.run}.part", f"{place.run}.part-2"
    assert place.do("open-run", "part")[0] == Exit.DONE
    assert place.do("step", "add", run=first)[0] == Exit.DONE
    assert place.do("step", "check", run=first)[0] == Exit.FAILED
    assert place.do("close-run", "part", first)[0] == Exit.DONE
    assert place.do("open-run", "part")[0] == Exit.DONE
    assert place.answer("run") == second
    late = place.do("close-run", "part", first)
    assert late == (Exit.REFUSED, "error: the capsule of step `part` has not ended\n")
    assert place.view().steps[0].inner.ended_at is None
