"""A run is named as soon as it is stored, also when the engine that it is given to never says a word."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from somagent_shell import Shell

SPEC = "  steps:\n    a: { script: { run: echo hello } }\n"
PLACE = ("--engine", "airflow", "--runs", "runs")
ID = r"r-\d{8}-\d{4}-[0-9a-f]{6}"


@pytest.fixture
def capsule(somagent: Shell) -> str:
    return somagent.capsule("demo", SPEC)


def airflow(port: int, folder: Path) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    return {"SOMAGENT_AIRFLOW_URL": url, "SOMAGENT_AIRFLOW_TOKEN": "t", "SOMAGENT_AIRFLOW_DAGS": str(folder / "dags")}


@pytest.fixture
def stopped(somagent: Shell) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Exit code, output and errors of a command that is stopped while an Airflow keeps it waiting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        port = silent.getsockname()[1]

        def stop(number: signal.Signals, *words: str) -> tuple[int, str, str]:
            command = somagent.start(*words, *PLACE, **airflow(port, somagent.folder))
            asked, _ = silent.accept()
            with asked:
                command.send_signal(number)
                assert command.stderr is not None
                waits = command.stderr.readline()
            assert waits == f"stopping; waits for an answer of airflow (http://127.0.0.1:{port})\n"
            out, err = command.communicate(timeout=30)
            return command.returncode, out, err.replace(f":{port}", ":PORT")

        yield stop


def way_on(run: str) -> str:
    place = " ".join(PLACE)
    return (
        f"stopped while airflow (http://127.0.0.1:PORT) was given {run}, which is stored and may have begun; go on with"
        f" it: `somagent resume {run} {place}`; stop it: `somagent cancel {run} {place}`\n"
    )


def test_who_is_stopped_while_an_engine_is_given_the_run_is_told_its_name_and_the_way_on(
    somagent: Shell, capsule: str, stopped: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = stopped(signal.SIGINT, "run", capsule)
    named = re.fullmatch(f"demo ({ID})\n", out)
    assert named is not None, out
    assert (code, err) == (130, way_on(named[1]))
    assert stopped(signal.SIGTERM, "resume", "last") == (143, "", way_on(named[1]))
    ended = stopped(signal.SIGINT, "rerun", named[1], "--detach")
    (other,) = {one["id"] for one in somagent("runs", "--output", "json", *PLACE).json} - {named[1]}
    assert ended == (130, "", way_on(other))


def test_an_engine_that_cannot_be_reached_leaves_a_run_whose_name_is_said(somagent: Shell, capsule: str) -> None:
    failed = somagent("run", capsule, *PLACE, **airflow(9, somagent.folder))
    named = re.fullmatch(f"demo ({ID})\n", failed.out)
    assert named is not None, failed.out
    assert failed.code == 5
    assert failed.err.startswith(
        f"error: {named[1]} is stored and may not have begun: no Airflow answers at http://127"
    )
    assert failed.err.endswith(f"; go on with: somagent resume {named[1]} {' '.join(PLACE)}\n")
