"""However a script ends, what it started ends with it, and the failure says how it ended."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from somagent.operators.script.process import exited

LONG = "sleep 987"


def test_exit_75_is_transient_and_others_are_errors(script):
    failure = script.failure("echo 'no route' >&2; exit 75")
    assert (failure.failure_class, failure.message) == ("transient", "exit code 75 (try again): no route")
    failure = script.failure("exit 3")
    assert (failure.failure_class, failure.message) == ("error", "exit code 3")


def test_the_message_is_the_last_line_with_something_in_it_on_stderr(script):
    failure = script.failure("echo out; echo first >&2; printf '\\033[31mlast\\033[0m\\n\\n \\n' >&2; exit 1")
    assert failure.message == "exit code 1: last"


def test_bash_stops_at_the_first_failure_in_pipes_and_at_unset_variables(script):
    assert script.failure("false\necho on").message == "exit code 1"
    assert script.failure("false | true\necho on").message == "exit code 1"
    assert script.failure('echo "$NOPE"').message == "exit code 1: ../script/job.sh: line 1: NOPE: unbound variable"
    assert "on" not in script.log


def test_python_errors_are_told_by_their_last_line(script):
    assert script.failure("1 / 0", shell="python").message == "exit code 1: ZeroDivisionError: division by zero"


def test_a_signal_is_named(script):
    assert script.failure("kill -TERM $$").message == "killed by SIGTERM"
    assert script.failure("kill -KILL $$").message == "killed by SIGKILL (by somebody, or because memory ran out)"


def test_output_and_errors_are_in_the_log_in_order(script):
    script("echo 1; echo 2 >&2; sleep 0.05; echo 3; printf 'no newline'")
    assert sorted(script.log[:4].split()) == ["1", "2"]
    assert script.log[4:] == "3\nno newline"


def test_endless_output_fills_neither_memory_nor_disk(script):
    started = time.monotonic()
    script("head -c 300000000 /dev/zero", step=(step := script.step()))
    assert step.log.path.stat().st_size < 1_100_000
    assert b"\n[298951424 bytes are left out here: the log is longer than is kept]\n" in step.log.path.read_bytes()
    assert time.monotonic() - started < 30


def test_of_a_long_log_the_end_is_kept_which_says_why(script):
    script.failure("seq 200000; echo 'FATAL: the schemas differ' >&2; exit 4", step=(step := script.step()))
    lines = step.log.path.read_text().splitlines()
    said = next(place for place, line in enumerate(lines) if "left out" in line)
    assert lines[: said - 1] == [str(one) for one in range(1, said)]
    assert lines[-1] == "FATAL: the schemas differ"
    assert lines[said + 1 : -1] == [str(one) for one in range(200001 - (len(lines) - said - 2), 200001)]
    assert step.log.path.stat().st_size < 1_100_000


@pytest.mark.parametrize("size", [1, 982_040, 983_041, 1_048_576])
def test_a_log_that_fits_is_kept_whole(script, size):
    script(f"head -c {size} /dev/zero", step=(step := script.step()))
    assert step.log.path.read_bytes() == bytes(size)


def test_children_left_in_the_background_are_ended(script, alive):
    script(f"{LONG} & ( {LONG} & ) ; setsid {LONG} > /dev/null 2>&1 & echo done")
    assert alive(str(script.root)) == []
    assert script.log == "done\n[somagent] processes that the script left in the background were ended\n"


def test_a_background_child_that_keeps_the_pipe_open_does_not_hold_the_step(script):
    started = time.monotonic()
    script(f"{LONG} &")
    assert time.monotonic() - started < 2


DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for fd in range(256):
    try: os.close(fd)
    except OSError: pass
time.sleep(987)
"""


def test_a_double_forked_daemon_that_ignores_term_is_killed(script, alive):
    script(DAEMON, shell="python")
    assert alive(str(script.root)) == []


STUBBORN = f"""
trap '' TERM INT HUP
setsid bash -c "trap '' TERM; while :; do {LONG}; done" &
echo ready
while :; do {LONG}; done
"""


async def _when_ready(script, text, act):
    step = script.step()
    work = asyncio.create_task(script.started(text, step=step))
    while not step.log.path.exists() or "ready" not in step.log.path.read_text():  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    return await act(work)


def test_a_script_that_ignores_term_is_killed_after_its_grace_with_all_its_children(script, alive):
    async def act(work):
        started = time.monotonic()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return time.monotonic() - started

    assert 2.0 <= asyncio.run(_when_ready(script, STUBBORN, act)) < 4
    assert alive(str(script.root)) == []


def test_a_script_that_heeds_term_may_clean_up(script):
    text = f"trap 'echo cleaned; exit 0' TERM; echo ready; {LONG} & wait"

    async def act(work):
        started = time.monotonic()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return time.monotonic() - started

    assert asyncio.run(_when_ready(script, text, act)) < 1
    assert "cleaned" in script.log


def test_a_second_cancellation_kills_at_once(script, alive):
    async def act(work):
        started = time.monotonic()
        work.cancel()
        await asyncio.sleep(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return time.monotonic() - started

    assert asyncio.run(_when_ready(script, STUBBORN, act)) < 1
    assert alive(str(script.root)) == []


BOMB = """
bomb() { setsid bash -c 'sleep 0.05; for i in 1 2; do setsid sleep 30 & done; sleep 30' & }
for i in $(seq 20); do bomb; done
sleep 0.2
"""


def test_a_bomb_of_sessions_is_stopped(script, alive):
    script(BOMB)
    assert alive(str(script.root)) == []


def test_what_an_earlier_attempt_left_running_is_ended_first(script, alive):
    marks = {"SOMAGENT_IDEMPOTENCY_KEY": "r1/job", "SOMAGENT_OUTPUT": str(script.root / "attempt-1" / "output")}
    left = subprocess.Popen(["sleep", "987"], env={**os.environ, **marks}, start_new_session=True)
    script("true", step=script.step(attempt=2))
    assert left.wait(5) == -15
    assert "[somagent] processes that an earlier attempt left running were ended" in script.log


@pytest.mark.parametrize(("key", "place"), [("r1/job/2", ""), ("r1/job", "/elsewhere")])
def test_processes_of_other_steps_and_other_data_directories_are_left_alone(script, key, place):
    marks = {"SOMAGENT_IDEMPOTENCY_KEY": key, "SOMAGENT_OUTPUT": f"{place or script.root}/attempt/output"}
    other = subprocess.Popen(["sleep", "987"], env={**os.environ, **marks}, start_new_session=True)
    script(f"{LONG} &", step=script.step(attempt=2))
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_missing_bash_is_one_clear_message(script, tmp_path):
    path = os.environ["PATH"]
    os.environ["PATH"] = str(tmp_path)
    try:
        failure = script.failure("true")
    finally:
        os.environ["PATH"] = path
    assert failure.message.startswith("there is no `bash` on PATH (")


def test_a_log_that_cannot_be_written_ends_the_run_not_the_step(script):
    step = script.step()
    step.log.path = Path("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        script("echo hi; sleep 0.1; echo ho", step=step)


def test_a_script_as_long_as_a_capsule_may_be_runs(script):
    assert script("true " + "x" * 900_000) == {}


def test_where_nothing_tells_of_a_processs_end_it_is_looked_for():
    process = subprocess.Popen(["sleep", "0.1"])
    started = time.monotonic()
    asyncio.run(exited(process, notice=False))
    assert process.returncode == 0
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("number", [35, 63])
def test_a_signal_without_a_name_is_told_by_its_number(script, number):
    failure = script.failure(f"kill -{number} $$; sleep 5")
    assert (failure.failure_class, failure.message) == ("error", f"killed by signal {number}")


FORKING = """
import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(987)
"""


def test_a_child_that_is_born_while_its_parent_ends_is_not_overlooked(script, alive):
    for _ in range(15):  # one look at the list of processes missed about every third
        script(FORKING, shell="python")
        assert alive(str(script.root)) == []
