"""Time at work under budgets and deadlines: counted while somebody works, whoever that is and however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import timedelta

import pytest
from bucket_place import Place
from msgspec.structs import replace

from somagent.operators.runner.records import Failure, StepKey
from somagent.workflows.capsules import this_installation
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.protocol import StoreUnreachable
from somagent.workflows.engines.remote.deadline import Deadline, OutOfTime, cut_off
from somagent.workflows.engines.remote.exits import Exit

USES = "  uses: { capsules: { part: ./part.capsule.yaml } }\n"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def killed(place, *words, run=""):
    """The step prints that it is at work, and then its process is killed."""
    process = place.start(*words, run=run)
    assert process.stdout.readline() == "at work\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_deadline_that_comes_when_the_end_of_the_attempt_is_stored_already_ends_the_step(place):
    place.submit("""\
    flaky: { retry: { attempts: 2, backoff: 1s }, script: { run: 'true' } }
    beside: { script: { run: 'true' } }
  budget: { wallClock: 500ms }
""")
    key = StepKey(place.run, "flaky")

    async def ends_before_it_hears_of_it(_, step):
        store = place.ledger().attempts_of
        begun = await store.open_attempt(step.key)
        failure = Failure(failure_class="transient", message="exit code 75")
        now = utc_now()
        await store.end(replace(begun.attempt, ended_at=now, phase="Failed", failure=failure, retry_at=now))
        other = await store.begin(StepKey(place.run, "beside"), now - timedelta(seconds=1))
        await store.end(replace(other, ended_at=now, phase="Failed", failure=failure))  # now all time is used up
        await asyncio.sleep(60)

    async def main():
        script = this_installation().operators["script"]
        worker = await place.worker(script=replace(script, run=ends_before_it_hears_of_it))
        return await worker.step(key)

    result = asyncio.run(main())
    assert (result.phase, result.attempts, result.failure.failure_class) == ("Failed", 1, "budget")
    flaky, _ = place.view().steps
    assert [one.failure.failure_class for one in flaky.history] == ["transient"]


def test_the_time_after_a_death_uses_nothing_up_while_nobody_has_gone_on_yet(place):
    place.submit("""\
    a: { script: { run: 'echo at work; [ $SOMAGENT_ATTEMPT = 2 ] || sleep 60' } }
    b: { script: { run: echo b } }
  budget: { wallClock: 3s }
""")
    killed(place, "step", "a")
    time.sleep(3.5)
    assert place.do("step", "b") == (Exit.DONE, "b\n")
    assert place.do("step", "a") == (Exit.DONE, "at work\n")


def opened(place, *words):
    assert place.do("open-run", *words)[0] == Exit.DONE
    assert place.answer("phase") == "Running"
    return place.answer("run")


@pytest.mark.parametrize("of", ["step", "run"])
def test_a_capsule_that_took_longer_than_a_budget_that_asks_has_succeeded(place, of):
    budget = "budget: { wallClock: 1s, onExceed: ask }"
    at_step, at_run = (f"{budget}, ", "") if of == "step" else ("", f"  {budget}\n")
    place.submit(
        f"    part: {{ {at_step}capsule: {{ use: part }} }}\n{USES}{at_run}",
        part="  steps: { slow: { script: { run: sleep 1.2 } } }\n",
    )
    inside = opened(place, "part")
    assert place.do("step", "slow", run=inside)[0] == Exit.DONE
    assert place.do("--ends-run", "close-run", "part", inside)[0] == Exit.DONE
    assert place.answer("phase") == "Succeeded"
    assert (place.view().phase, place.view().steps[0].attempts) == ("Succeeded", 1)


def test_the_finally_of_a_capsule_makes_it_fail_by_no_budget(place):
    place.submit(
        f"    part: {{ budget: {{ wallClock: 1s }}, capsule: {{ use: part }} }}\n{USES}",
        part="""\
  steps: { quick: { script: { run: 'true' } } }
  finally: { tidy: { script: { run: sleep 1.2 } } }
""",
    )
    inside = opened(place, "part")
    for step in ("quick", "tidy"):
        assert place.do("step", step, run=inside)[0] == Exit.DONE
    assert place.do("close-run", "part", inside)[0] == Exit.DONE
    assert place.view().steps[0].phase == "Succeeded"


def test_a_capsule_that_its_steps_budget_cut_off_says_so_and_names_its_run(place):
    place.submit(
        f"    part: {{ budget: {{ wallClock: 1s }}, capsule: {{ use: part }} }}\n{USES}",
        part="  steps: { slow: { script: { run: sleep 60 } } }\n",
    )
    inside = opened(place, "part")
    assert place.do("step", "slow", run=inside)[0] == Exit.FAILED
    assert place.do("close-run", "part", inside)[0] == Exit.FAILED
    failure = place.view().steps[0].failure
    assert (failure.failure_class, failure.child) == ("budget", inside)
    assert failure.message == (
        "budget `part` of wallClock 1s is used up: capsule `part`: step `slow`: cut off after 1 s"
    )


def test_a_budget_for_all_items_cuts_off_what_is_inside_one(place):
    each = "forEach: '${{ [1, 2] }}', as: one, maxParallel: 1, totalBudget: { wallClock: 1s }"
    place.submit(
        f"    part: {{ {each}, capsule: {{ use: part }} }}\n{USES}",
        part="  steps: { slow: { script: { run: sleep 60 } } }\n",
    )
    assert place.do("open", "part")[0] == Exit.DONE
    inside = opened(place, "part", 0)
    assert place.do("step", "slow", run=inside)[0] == Exit.FAILED
    assert place.do("close-run", "part", 0, inside)[0] == Exit.FAILED
    assert place.do("open-run", "part", 1)[0] == Exit.FAILED
    assert place.do("close", "part")[0] == Exit.FAILED
    first, second = place.view().steps[0].items
    used_up = "budget `part/*` of wallClock 1s is used up"
    assert [first.failure.message, second.failure.message] == [
        f"{used_up}: capsule `part`: step `slow`: cut off after 1 s",
        used_up,
    ]


HALVES = """\
  steps:
    first: { script: { run: sleep 2.5 } }
    agree: { needs: [first], review: { title: Go on? } }
    second: { needs: [agree], script: { run: sleep 2.5 } }
"""


def test_the_time_of_a_capsule_begins_anew_when_people_have_decided_in_one_task(place):
    place.submit(f"    part: {{ timeout: 4s, capsule: {{ use: part }} }}\n{USES}", part=HALVES)
    assert place.do("step", "part")[0] == Exit.DONE
    assert place.answer("phase") == "Waiting"
    place.decide("agree", "bo", run=f"{place.run}.part")
    assert place.do("step", "part")[0] == Exit.DONE
    assert place.answer("phase") == "Succeeded"


def test_the_time_of_a_capsule_begins_anew_when_people_have_decided_in_several_pods(place):
    place.submit(f"    part: {{ timeout: 4s, capsule: {{ use: part }} }}\n{USES}", part=HALVES)
    inside = opened(place, "part")
    for step in ("first", "agree"):
        assert place.do("step", step, run=inside)[0] == Exit.DONE
    place.decide("agree", "bo", run=inside)
    for step in ("agree", "second"):
        assert place.do("step", step, run=inside)[0] == Exit.DONE
    assert place.do("close-run", "part", inside)[0] == Exit.DONE
    assert place.answer("phase") == "Succeeded"


def test_a_decision_while_something_else_is_at_work_leaves_the_time_of_a_capsule_running(place):
    place.submit(
        f"    part: {{ timeout: 4s, capsule: {{ use: part }} }}\n{USES}",
        part="""\
  steps:
    agree: { review: { title: Go on? } }
    beside: { script: { run: 'echo at work; sleep 2.5' } }
    after: { needs: [agree, beside], script: { run: sleep 60 } }
""",
    )
    inside = opened(place, "part")
    assert place.do("step", "agree", run=inside)[0] == Exit.DONE
    beside = place.start("step", "beside", run=inside)
    assert beside.stdout.readline() == "at work\n"
    place.decide("agree", "bo", run=inside)
    assert place.do("step", "agree", run=inside)[0] == Exit.DONE
    beside.communicate()
    assert place.do("step", "after", run=inside)[0] == Exit.FAILED
    (attempt,) = place.view().steps[0].inner.steps[2].history
    assert (attempt.ended_at - attempt.started_at).total_seconds() < 2


def test_an_attempt_at_a_capsule_after_a_death_has_all_of_its_time(place):
    place.submit(
        f"    part: {{ timeout: 8s, capsule: {{ use: part }} }}\n{USES}",
        part="""\
  steps:
    first: { script: { run: sleep 5 } }
    second: { needs: [first], script: { run: 'echo at work; [ $SOMAGENT_ATTEMPT = 2 ] || sleep 60; sleep 5' } }
""",
    )
    killed(place, "step", "part")
    assert place.do("step", "part") == (Exit.DONE, "at work\n")


def test_what_begins_to_work_some_time_after_the_look_has_used_up_all_when_it_is_cut_off():
    left = iter([100, 60, 0])

    async def look():
        return Deadline(timedelta(milliseconds=next(left)), Failure(failure_class="timeout", message="over"))

    async def main():
        with pytest.raises(OutOfTime, match="over"):
            async with cut_off(look):
                await asyncio.sleep(60)

    start = time.monotonic()
    asyncio.run(main())
    assert 0.16 <= time.monotonic() - start < 30


@pytest.mark.parametrize("fault", [StoreUnreachable("away"), OSError("no room"), None], ids=["away", "full", "silent"])
def test_a_store_that_does_not_answer_at_the_deadline_gives_no_more_time(fault):
    looks = iter([Deadline(timedelta(milliseconds=100), Failure(failure_class="timeout", message="over"))])

    async def look():
        for one in looks:
            return one
        if fault is not None:
            raise fault
        return await asyncio.sleep(60)

    async def main():
        with pytest.raises(OutOfTime, match="over"):
            async with asyncio.timeout(20), cut_off(look):
                await asyncio.sleep(60)

    asyncio.run(main())


def test_a_capsule_that_ran_out_of_its_own_time_is_tried_again_though_others_used_the_budget_up_since_then(place):
    place.submit(
        """\
    part:
      forEach: "${{ [0, 3] }}"
      as: one
      totalBudget: { wallClock: 2s }
      retry: { attempts: 2, backoff: 10ms, failures: [timeout] }
      capsule: { use: part, with: { long: "${{ one }}" } }
"""
        + USES,
        part="""\
  inputs: { long: { type: integer } }
  steps:
    slow: { if: inputs.long == 0, timeout: 500ms, script: { run: sleep 60 } }
    other: { if: inputs.long > 0, script: { run: sleep 60 } }
""",
    )
    assert place.do("open", "part")[0] == Exit.DONE
    runs = []
    for item in (0, 1):
        assert place.do("open-run", "part", item)[0] == Exit.DONE
        runs.append(place.answer("run"))
    for step, run in (("slow", runs[0]), ("other", runs[0]), ("slow", runs[1]), ("other", runs[1])):
        place.do("step", step, run=run)
    place.do("close-run", "part", 0, runs[0])
    assert "tried again" in place.answer("summary")
    place.do("close-run", "part", 1, runs[1])
    (part,) = place.view().steps
    assert part.items[1].failure.failure_class == "budget"
