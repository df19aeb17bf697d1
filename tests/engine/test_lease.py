# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""One process works in a data directory; everybody else is told who it is, and may still read."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import encode_plan
from somagent.operators.operator import Operator
from somagent.operators.script.processes import Family
from somagent.workflows.engines.lease import Lease, holder
from somagent.workflows.engines.local import Clock, LocalEngine
from somagent.workflows.engines.protocol import DataDirectoryHeld

ENTRY = OperatorEntry(name="note", summary="", arguments={})


class Nothing(msgspec.Struct):
    """No arguments."""


@pytest.fixture
def working(start, make_plan, make_node, tmp_path):
    """A process that is at work in `tmp_path/data`; gives it and its run."""
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 60})
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(slow)))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    run = process.stdout.readline().strip()
    while not (tmp_path / "marks").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    return process, run


def test_a_second_process_is_told_who_holds_the_directory_and_what_to_do(working, program, tmp_path):
    process, _ = working
    second = program("work", tmp_path / "data", tmp_path / "plan.json")
    assert second.returncode == 3
    assert second.stderr.startswith(f"DataDirectoryHeld: process {process.pid} runs capsules in {tmp_path / 'data'};")
    assert f"kill -INT {process.pid}" in second.stderr


def test_readers_see_a_run_at_work_without_the_lease(working, make_engine):
    process, run = working
    engine = make_engine()
    view = engine.view(run)
    assert (view.phase, view.held_by, view.steps[0].phase) == ("Running", process.pid, "Running")
    assert [(one.id, one.phase) for one in engine.runs()] == [(run, "Running")]
    for _ in range(50):
        engine.runs()
    assert process.poll() is None


def test_the_lease_of_a_killed_process_is_taken_over_silently(working, make_engine, tmp_path):
    process, run = working
    process.send_signal(signal.SIGKILL)
    process.wait()
    engine = make_engine()
    view = engine.view(run)
    assert (view.phase, view.held_by, view.steps[0].phase) == ("Pending", None, "Pending")
    assert [one.phase for one in engine.runs()] == ["Pending"]
    assert re.fullmatch(
        rf"{process.pid} runs 10.000 \d+\.\d+ *\n\S+\+00:00 *\n", (tmp_path / "data" / "lease").read_text()
    )


def test_a_killed_process_leaves_an_attempt_that_the_next_one_calls_cut_off(working, go, make_engine):
    process, run = working
    process.send_signal(signal.SIGKILL)
    process.wait()

    async def main():
        async with make_engine() as engine:
            await engine.hold()
            return engine.view(run)

    attempt = go(main()).steps[0].history[0]
    assert (attempt.phase, attempt.failure.failure_class) == ("Failed", "cut_off")
    assert attempt.ended_at >= attempt.started_at


def test_what_a_dead_process_had_at_work_ended_with_its_last_sign(
    start, make_plan, make_node, make_engine, go, tmp_path
):
    """Whenever somebody goes on: its own clock, which is a day ahead here, says nothing about that."""
    nodes = [make_node(name, operator="note", arguments={"file": str(tmp_path / name), "seconds": 60}) for name in "ab"]
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(*nodes)))
    process = start("work", tmp_path / "data", tmp_path / "plan.json", "--lease-s", "0.4")
    run = process.stdout.readline().strip()
    while not ((tmp_path / "a").exists() and (tmp_path / "b").exists()):
        time.sleep(0.01)
    began, lease = datetime.now(UTC), tmp_path / "data" / "lease"
    while datetime.fromisoformat(lease.read_text().split()[-1]) < began + timedelta(seconds=0.3):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    last_sign = datetime.fromisoformat(lease.read_text().split()[-1])

    async def main():
        async with make_engine(clock=Clock(lambda: datetime.now(UTC) + timedelta(days=1))) as engine:
            await engine.hold()
            return engine.view(run)

    assert [step.history[0].ended_at for step in go(main()).steps] == [last_sign, last_sign]


def test_who_dies_or_lets_go_before_it_wrote_down_what_was_cut_off_hides_no_sign(tmp_path):
    """`prune` takes the lease, say, and works on no run."""
    first = Lease(tmp_path)
    first.take()
    assert first.worked_until is None
    first.begin_work()
    first.release()
    pruning = Lease(tmp_path, 0.2)
    pruning.take()
    pruning.keep(lambda: None)
    before = (tmp_path / "lease").read_text().splitlines()[0]
    while (tmp_path / "lease").read_text().splitlines()[0] == before:
        time.sleep(0.01)
    pruning.release()
    last = Lease(tmp_path)
    last.take()
    assert last.worked_until == pruning.worked_until == first.worked_until
    last.release()


def test_the_process_id_in_the_file_decides_nothing(tmp_path):
    """A dead holder's id may belong to somebody else by now: this very process, say."""
    (tmp_path / "lease").write_text(f"{os.getpid()}\n")
    assert holder(tmp_path) is None
    lease = Lease(tmp_path)
    lease.take()
    assert holder(tmp_path) == os.getpid()
    with pytest.raises(DataDirectoryHeld, match="through another engine"):
        Lease(tmp_path).take()
    lease.release()
    assert holder(tmp_path) is None


def test_asking_who_holds_the_lease_never_keeps_it_from_a_runner(tmp_path):
    text = (
        "import sys, pathlib; from somagent.workflows.engines.lease import Lease\n"
        "for _ in range(300): lease = Lease(pathlib.Path(sys.argv[1])); lease.take(); lease.release()"
    )
    with subprocess.Popen([sys.executable, "-c", text, str(tmp_path)]) as runner:
        while runner.poll() is None:
            holder(tmp_path)
    assert runner.returncode == 0


def test_a_dead_holder_is_not_named_while_what_it_was_starting_has_its_lock_still(tmp_path):
    """A program has a copy of everything that was open until it has begun."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    lease = Lease(tmp_path)
    lease.take()
    (tmp_path / "lease").write_text(f"{dead.pid:<20}\n")
    soon = threading.Timer(0.005, lease.release)
    soon.start()
    assert holder(tmp_path) is None
    soon.join()


def test_two_engines_of_one_process_do_not_run_in_one_directory(make_engine, go):
    async def main():
        async with make_engine() as first, make_engine() as second:
            await first.hold()
            with pytest.raises(DataDirectoryHeld, match=f"this process .pid {os.getpid()}."):
                await second.hold()

    go(main())


def test_a_process_whose_lease_was_taken_over_writes_nothing_more(make_engine, go, make_plan, make_node, tmp_path):
    """`flock` may be lost on some network file systems; the epoch in the journal is checked by every transaction."""

    async def main():
        async with make_engine() as old, make_engine() as new:
            run = await old.submit(make_plan(make_node("a")), {}, submitter="ada", files={})
            await old.hold()
            (tmp_path / "data" / "lease").unlink()
            await new.hold()
            with pytest.raises(DataDirectoryHeld, match="another process took over"):
                await old.run(run)
            return await new.run(run)

    assert go(main()).phase == "Succeeded"


def test_who_is_stopped_for_longer_than_the_lease_is_taken_over_and_writes_nothing_when_it_goes_on(
    start, make_plan, make_node, make_engine, go, tmp_path
):
    arguments = {"run": 'echo "$SOMAGENT_ATTEMPT" >> "$MARK"; [ "$SOMAGENT_ATTEMPT" = 2 ] || sleep 60'}
    arguments |= {"env": {"MARK": str(mark := tmp_path / "mark")}}
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(make_node("a", operator="script", arguments=arguments))))
    old = start("work", tmp_path / "data", tmp_path / "plan.json", "--lease-s", "1")
    run = old.stdout.readline().strip()
    while not mark.exists():
        assert old.poll() is None, old.stderr.read()
        time.sleep(0.01)
    time.sleep(1.2)
    assert holder(tmp_path / "data") == old.pid  # it gives signs
    old.send_signal(signal.SIGSTOP)
    began = time.monotonic()

    async def main():
        async with make_engine() as engine:
            while holder(tmp_path / "data") is not None:  # noqa: ASYNC110 - another process has no event for it
                await asyncio.sleep(0.01)
            waited = time.monotonic() - began
            view = await engine.run(run)
            rows = (tmp_path / "data" / "journal.sqlite3-wal").stat().st_size
            old.send_signal(signal.SIGCONT)
            said = old.communicate(timeout=20)[1]
            return waited, view, said, rows == (tmp_path / "data" / "journal.sqlite3-wal").stat().st_size

    waited, view, said, untouched = go(main())
    assert 0.5 < waited < 1.5
    assert view.phase == "Succeeded"
    assert [attempt.failure and attempt.failure.failure_class for attempt in view.steps[0].history] == ["cut_off", None]
    assert (old.returncode, said) == (
        3,
        f"DataDirectoryHeld: another process took over {tmp_path / 'data'}; this one writes nothing more\n",
    )
    assert untouched
    assert mark.read_text() == "1\n2\n"
    assert make_engine().view(run) == view


def test_a_lease_that_ran_out_is_still_its_holders_as_long_as_nobody_takes_it(tmp_path):
    lease = Lease(tmp_path, 0.05)
    lease.take()
    time.sleep(0.1)
    assert holder(tmp_path) is None
    lost = threading.Event()
    lease.keep(lost.set)
    while holder(tmp_path) is None:
        time.sleep(0.005)
    assert not lease.is_lost()
    assert not lost.is_set()
    lease.release()


def test_a_holder_hears_that_another_one_took_its_lease(tmp_path):
    old, new, lost = Lease(tmp_path, 0.2), Lease(tmp_path), threading.Event()
    old.take()
    time.sleep(0.25)
    new.take()
    old.keep(lost.set)
    assert lost.wait(5)
    assert old.is_lost()
    assert not new.is_lost()
    old.release()
    assert holder(tmp_path) == os.getpid()
    new.release()


def test_of_many_that_want_the_lease_of_a_stopped_holder_one_gets_it(
    tmp_path, make_engine, go, start, make_plan, make_node
):
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 60})
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(slow)))
    old = start("work", tmp_path / "data", tmp_path / "plan.json", "--lease-s", "0.3")
    run = old.stdout.readline().strip()
    while not (tmp_path / "marks").exists():
        time.sleep(0.01)
    old.send_signal(signal.SIGSTOP)
    while holder(tmp_path / "data") is not None:
        time.sleep(0.01)
    wanting = [start("work", tmp_path / "data", tmp_path / "plan.json", "--run", run) for _ in range(4)]
    while sum(one.poll() is None for one in wanting) > 1:
        time.sleep(0.01)
    refused = [one for one in wanting if one.poll() is not None]
    assert [one.returncode for one in refused] == [3, 3, 3]
    (winner,) = (one for one in wanting if one.poll() is None)
    assert all(f"process {winner.pid} runs capsules" in one.communicate()[1] for one in refused)


STUBBORN = """
trap '' TERM
sleep 40 &
setsid sleep 41 &
echo started > "$MARK"
sleep 42
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes of a dead engine are found through /proc (Linux)")
def test_what_a_killed_engine_left_running_is_ended_before_its_attempt_is_called_cut_off(
    start, make_plan, make_node, make_engine, go, tmp_path
):
    arguments = {"run": STUBBORN, "env": {"MARK": str(tmp_path / "mark")}}
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(make_node("a", operator="script", arguments=arguments))))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    run = process.stdout.readline().strip()
    while not (tmp_path / "mark").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    family = Family(None, f"{run}/a", tmp_path / "data" / "work")
    assert len(family.alive()) == 4

    async def main():
        async with make_engine() as engine:
            await engine.cancel(run, by="ada")
            await engine.hold()
            left = family.alive(), list((tmp_path / "data").glob("work/*"))
            return left, await engine.run(run)

    left, view = go(main())
    assert left == ([], [])
    assert (view.phase, view.steps[0].history[0].failure.failure_class) == ("Cancelled", "cut_off")


def test_an_operator_that_cannot_end_its_orphans_keeps_nobody_from_going_on(tmp_path, make_plan, make_node, go, start):
    async def fails(*_):
        raise RuntimeError("no")

    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 60})
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(slow)))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    process.stdout.readline()
    while not (tmp_path / "marks").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    note = Operator(ENTRY, Nothing, fails, abandon=fails)

    async def main():
        async with LocalEngine(tmp_path / "data", {"note": note}) as engine:
            await engine.hold()
            return engine.view(engine.runs()[0].id)

    assert go(main()).steps[0].history[0].failure.failure_class == "cut_off"
