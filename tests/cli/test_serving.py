"""`somagent serve --engine`, and commands beside it: real processes that are stopped, killed and take over."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from servers import Serve, serving
from somagent_shell import Shell
from terminal import Terminal

Wait = Callable[[Callable[[], bool]], None]

NAP = """\
  steps:
    nap:
      script: { run: 'echo "$SOMAGENT_ATTEMPT" >> "$M"; [ "$SOMAGENT_ATTEMPT" = 2 ] || sleep 60', env: { M: MARK } }
"""
WORDS = """\
  steps:
    a: { script: { run: sleep 0.3 } }
    many: { needs: [a], forEach: "${{ [1, 2, 3] }}", script: { run: sleep 0.1 } }
    bad: { needs: [many], script: { run: exit 3 } }
    after: { needs: [bad], script: { run: 'true' } }
"""


@pytest.fixture
def serve(somagent: Shell) -> Iterator[Serve]:
    """Starts `serve --engine`; what it says goes to `NAME.log`."""
    with serving(somagent) as begin:
        yield begin


@pytest.fixture
def said(somagent: Shell) -> Callable[[str], list[str]]:
    """The lines that a process said, without their times."""
    return lambda name: [line[21:] for line in (somagent.folder / f"{name}.log").read_text().splitlines()]


def told(text: str) -> str:
    """What a command printed, without times and ids."""
    return re.sub(r"r-\d{8}-\d{4}-[0-9a-f]+", "RUN", re.sub(r" *\b\d+\.\d+s\b", "", text))


def test_a_run_beside_a_server_is_shown_as_if_it_were_at_work_here(
    somagent: Shell, serve: Serve, wait_until: Wait, said: Callable[[str], list[str]]
) -> None:
    name = somagent.capsule("words", WORDS)
    alone = somagent("run", name)
    server = serve("first")
    wait_until(lambda: "works in" in str(said("first")))
    beside = somagent("run", name)
    assert (beside.code, beside.err) == (alone.code, alone.err) == (1, "")
    assert re.sub(r"  +", "  ", told(beside.out)) == re.sub(r"  +", "  ", told(alone.out))
    submitted = somagent("run", name, "--detach")
    assert submitted.code == 0
    assert re.fullmatch(rf"r-\S+ is submitted; process {server.pid} works on it\n", submitted.out)
    wait_until(lambda: str(said("first")).count("Failed: step `bad`") == 2)
    server.terminate()
    assert server.wait(timeout=20) == 0
    assert said("first")[-1] == "stopped; nothing recorded is lost"
    detached = somagent("rerun", "last", "--detach").out
    assert "nobody works on it until `somagent serve --engine` or `somagent resume r-" in detached


def test_ctrl_c_leaves_a_run_to_the_server(
    somagent: Shell, serve: Serve, wait_until: Wait, said: Callable[[str], list[str]]
) -> None:
    name = somagent.capsule("slow", "  steps:\n    a: { script: { run: sleep 2 } }\n")
    server = serve("first")
    wait_until(lambda: "works in" in str(said("first")))
    process = somagent.start("run", name)
    wait_until(lambda: "begins" in str(said("first")))
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    run = somagent("runs", "--output", "json").json[0]["id"]
    assert err == (
        f"left; process {server.pid} goes on with {run}; follow it again: `somagent resume {run}`; "
        f"stop it: `somagent cancel {run}`\n"
    )
    assert somagent("resume", run).code == 0
    assert len(somagent("show", run, "--output", "json").json["steps"]) == 1


def test_people_are_asked_where_they_are_and_the_server_goes_on(
    somagent: Shell, serve: Serve, gated: str, wait_until: Wait, said: Callable[[str], list[str]]
) -> None:
    serve("first")
    wait_until(lambda: "works in" in str(said("first")))
    with Terminal(somagent, "run", gated) as screen:
        screen.until("[a/r/L] ")
        screen.type("a\n")
        assert screen.ended() == 0
    assert "answer = 42" in screen.text
    run = somagent("run", gated, "--output", "json")
    assert (run.code, run.json["phase"]) == (3, "Waiting")
    approved = somagent("approve", "last", "ask", "--as", "ann")
    assert re.fullmatch(r"approved ask as ann; process \d+ goes on\n", approved.out)
    wait_until(lambda: f"{run.json['id']} Succeeded" in said("first"))


def test_one_that_stands_by_takes_over_from_one_that_is_killed(
    somagent: Shell, serve: Serve, wait_until: Wait, said: Callable[[str], list[str]]
) -> None:
    mark = somagent.folder / "mark"
    first = serve("first")
    wait_until(lambda: "works in" in str(said("first")))
    serve("second")
    wait_until(lambda: f"stands by: process {first.pid} works in" in str(said("second")))
    somagent("run", somagent.capsule("nap", NAP.replace("MARK", str(mark))), "--detach")
    wait_until(lambda: mark.exists() and mark.read_text() == "1\n")
    first.kill()
    killed = time.monotonic()
    wait_until(lambda: "goes on" in str(said("second")))
    assert time.monotonic() - killed < 2
    run = somagent("resume", "last", "--output", "json")
    assert (run.code, run.json["steps"]["nap"]["attempts"], mark.read_text()) == (0, 2, "1\n2\n")


def test_one_that_is_stopped_for_longer_than_its_lease_writes_nothing_when_it_goes_on(
    somagent: Shell, serve: Serve, wait_until: Wait, said: Callable[[str], list[str]]
) -> None:
    mark = somagent.folder / "mark"
    name = somagent.capsule("nap", NAP.replace("MARK", str(mark)))
    first = serve("first", "--lease", "1s")
    wait_until(lambda: "works in" in str(said("first")))
    second = serve("second", "--lease", "1s")
    wait_until(lambda: "stands by" in str(said("second")))
    run = somagent("run", name, "--detach", "--output", "json").json["id"]
    wait_until(mark.exists)
    first.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: "goes on" in str(said("second")))
    assert time.monotonic() - stopped < 1 + 2  # the lease, and two seconds
    wait_until(lambda: f"{run} Succeeded" in said("second"))
    before = somagent("show", run, "--output", "json").json
    first.send_signal(signal.SIGCONT)
    wait_until(lambda: f"stands by: process {second.pid} works in" in str(said("first")))
    assert "another process took over" in str(said("first"))
    assert somagent("show", run, "--output", "json").json == before
    assert mark.read_text() == "1\n2\n"
    second.terminate()  # and the first one is at work again
    assert somagent("run", somagent.capsule("words", WORDS)).code == 1
    assert first.poll() is None


def test_one_that_goes_on_while_another_one_is_at_work_ends_nothing_of_it(
    somagent: Shell, serve: Serve, wait_until: Wait, said: Callable[[str], list[str]]
) -> None:
    mark, go = somagent.folder / "mark", somagent.folder / "go"
    script = f"echo $SOMAGENT_ATTEMPT >> {mark}; for _ in $(seq 600); do test ! -e {go} || break; sleep 0.05; done"
    name = somagent.capsule("long", f"  steps:\n    long: {{ script: {{ run: '{script}' }} }}\n")
    first = serve("first", "--lease", "1s")
    wait_until(lambda: "works in" in str(said("first")))
    second = serve("second", "--lease", "1s")
    wait_until(lambda: "stands by" in str(said("second")))
    somagent("run", name, "--detach")
    wait_until(mark.exists)
    first.send_signal(signal.SIGSTOP)
    wait_until(lambda: mark.read_text() == "1\n2\n")
    first.send_signal(signal.SIGCONT)
    wait_until(lambda: f"stands by: process {second.pid} works in" in str(said("first")))
    go.touch()
    assert somagent("resume", "last").code == 0
    assert mark.read_text() == "1\n2\n"


def test_a_run_beside_another_one_waits_until_that_has_ended(somagent: Shell, wait_until: Wait) -> None:
    go = somagent.folder / "go"
    script = f"for _ in $(seq 600); do test ! -e {go} || break; sleep 0.05; done"
    spec = f"  steps:\n    a: {{ script: {{ run: '{script}' }} }}\n"
    process = somagent.start("run", somagent.capsule("slow", spec))
    lease = somagent.folder / ".somagent" / "lease"
    wait_until(lambda: lease.exists() and str(process.pid) in lease.read_text())
    second = somagent.start("run", somagent.capsule("quick", "  steps:\n    a: { script: { run: 'true' } }\n"))
    assert second.stderr is not None
    note = second.stderr.readline()
    assert re.fullmatch(rf"note: process {process.pid} runs a capsule here; r-\S+ begins when it has ended\n", note)
    go.touch()
    assert (second.wait(timeout=20), process.wait(timeout=20)) == (0, 0)
    second.communicate()
    process.communicate()
