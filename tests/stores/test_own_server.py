"""The server that tests start for themselves goes when they do, and can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import databases
import psycopg
import pytest

Wait = Callable[[Callable[[], bool]], None]
HOLDER = "import databases, time; s = databases.Server(); print(s.address, flush=True); time.sleep(60)"
KILLER = "import databases; s = databases.Server(); print(s.address, flush=True); input(); s.kill()"


@pytest.mark.parametrize(
    ("program", "number"),
    [(HOLDER, signal.SIGKILL), (HOLDER, signal.SIGTERM), (HOLDER, signal.SIGINT), (KILLER, signal.SIGKILL)],
    ids=["killed", "terminated", "interrupted", "killed while the server begins again"],
)
def test_a_server_does_not_outlive_who_started_it(program: str, number: signal.Signals, wait_until: Wait) -> None:
    support = str(Path(databases.__file__).parent)
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": support}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as holder:
        assert holder.stdout is not None
        address = holder.stdout.readline().strip()
        folder = Path(parse_qs(urlsplit(address).query)["host"][0])
        process = int((folder / "postmaster.pid").read_text().split()[0])
        if program == KILLER:
            assert holder.stdin is not None
            holder.stdin.write("\n")
            holder.stdin.flush()
            wait_until(lambda: not Path(f"/proc/{process}").exists())
        holder.send_signal(number)
    wait_until(lambda: not folder.parent.exists() and not Path(f"/proc/{process}").exists())


def test_what_was_committed_is_there_after_the_server_was_killed() -> None:
    with closing(databases.Server()) as server:
        with psycopg.connect(server.address) as db:
            db.execute("CREATE TABLE kept (it INT)")
            db.execute("INSERT INTO kept VALUES (1)")
        server.kill()
        with psycopg.connect(server.address) as db:
            assert db.execute("SELECT it FROM kept").fetchall() == [(1,)]
