"""A run that was stopped ends when nobody is at work in it any more; what happened to who was tells the truth."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time

import pytest
from bucket_place import Place

from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects import people
from somagent.workflows.engines.remote.exits import Exit

LEASE_S = 1  # of the program that a place starts


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def cancel(place):
    asyncio.run(people.cancel(place.ledger(), place.run, "bo", utc_now().isoformat()))


def at_work(place, *step):
    process = place.start("step", *step)
    assert process.stdout.readline() == "at work\n"
    return process


def killed(place, *step):
    process = at_work(place, *step)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_who_was_killed_before_somebody_cancelled_is_cut_off(place):
    place.submit("    slow: { script: { run: echo at work; sleep 60 } }\n")
    killed(place, "slow")
    cancel(place)
    assert place.do("end")[0] == Exit.CANCELLED
    (step,) = place.view().steps
    (attempt,) = step.history
    assert (step.phase, step.failure.message) == ("Cancelled", "cancelled by bo")
    assert (attempt.failure.failure_class, attempt.failure.message) == (
        "cut_off", "who was at work on it gave no sign any more",
    )  # fmt: skip


@pytest.mark.parametrize("commands", [(("step", "each", 0), ("close", "each")), (("end",),)])
def test_items_that_were_killed_are_waited_for_at_once(place, commands):
    place.submit(
        "    each: { forEach: '${{ [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }}', script: { run: echo at work; sleep 60 } }\n"
    )
    assert place.do("open", "each")[0] == Exit.DONE
    for item in range(9):
        killed(place, "each", item)
    cancel(place)
    began = time.monotonic()
    assert [place.do(*command)[0] for command in commands] == [Exit.CANCELLED] * len(commands)
    assert time.monotonic() - began < 4 * LEASE_S + 3  # one after the other it would be nine and more
    (whole,) = place.view().steps
    classes = [[one.failure.failure_class for one in item.history] for item in whole.items]
    assert classes == [["cut_off"]] * 9 + [[]]


UNTIL_TOLD = "    slow: {{ script: {{ run: 'echo at work; until test -e {}; do sleep 0.05; done' }} }}\n"


def test_who_is_at_work_when_the_run_ends_is_waited_for_and_what_it_comes_to_counts(place):
    told = place.folder / "told"
    place.submit(UNTIL_TOLD.format(told))
    worker = at_work(place, "slow")
    cancel(place)
    end = place.start("end")
    with pytest.raises(subprocess.TimeoutExpired):
        end.wait(LEASE_S)
    told.touch()
    worker.communicate(timeout=30)
    end.communicate(timeout=30)
    assert (worker.returncode, end.returncode) == (Exit.DONE, Exit.DONE)
    assert place.view().phase == "Succeeded"


def test_who_does_not_stop_within_two_leases_is_given_up(place):
    told = place.folder / "told"
    place.submit(UNTIL_TOLD.format(told))
    worker = at_work(place, "slow")
    cancel(place)
    began = time.monotonic()
    assert place.do("end")[0] == Exit.CANCELLED
    assert time.monotonic() - began >= 2 * LEASE_S
    worker.communicate(timeout=30)  # it has lost its attempt, and ends itself
    (step,) = place.view().steps
    assert [(one.phase, one.failure.message) for one in step.history] == [("Cancelled", "cancelled by bo")]
