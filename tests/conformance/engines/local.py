"""The local engine's adapter: it works in this process, and where it must die, in a forked one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from databases import store_for

from somagent.operators.runner.secrets import VARIABLE
from somagent.workflows.engines.clock import Clock, utc_now
from somagent.workflows.engines.local import LocalEngine

from ..cases import HERE, installation

_PARALLEL = 8  # attempts at work at once: the same on every machine


class LocalAdapter:
    """An `Adapter` on a data directory; its clock is the machine's, ahead by the time that was passed."""

    is_here = True
    leaves_capsules_open = False
    goes_on_by_itself = False
    patience_s = 120.0

    def __init__(self, directory: Path, provider: LocalProvider) -> None:
        self._directory, self._provider = directory, provider
        self._ahead = timedelta()
        self.engine = LocalEngine(
            directory,
            installation().operators,
            clock=Clock(self.now, time.monotonic, asyncio.sleep),
            parallel=_PARALLEL,
            store=store_for(directory),
        )

    def now(self) -> datetime:
        return utc_now() + self._ahead

    async def pass_time(self, by: timedelta) -> None:
        self._ahead += by

    async def work(self, run_id: str) -> None:
        await self.engine.run(run_id)

    @asynccontextmanager
    async def doomed(self, run_id: str) -> AsyncIterator[None]:
        self.engine.close()  # gives the lease back
        worker = self._provider.begin(self._directory, run_id, self._ahead)
        try:
            yield
        finally:
            os.kill(worker, signal.SIGKILL)
            assert self._provider.ended() == worker
            while self.engine.holder() is not None:  # noqa: ASYNC110 - a script just forked has the lock until `exec`
                await asyncio.sleep(0.001)


class LocalProvider:
    """Its adapters share one process that forks the workers which die, so that a death costs no start of Python."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    @contextmanager
    def open(self, folder: Path, secrets: Mapping[str, str]) -> Iterator[LocalAdapter]:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(folder / "secrets")
        for name, value in secrets.items():
            path = folder / "secrets" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(value, encoding="utf-8")
        adapter = LocalAdapter(folder / "data", self)
        try:
            yield adapter
        finally:
            adapter.engine.close()
            del os.environ[VARIABLE]
            os.environ.update({VARIABLE: before} if before is not None else {})

    def begin(self, directory: Path, run_id: str, ahead: timedelta) -> int:
        """Begins to work on the run in a process of its own, and returns its id."""
        order = {"directory": str(directory), "run": run_id, "ahead": ahead.total_seconds(), "parallel": _PARALLEL}
        return self._ask(json.dumps({**order, "secrets": os.environ[VARIABLE]}))

    def ended(self) -> int:
        """Waits until the process that was begun last has been seen to be dead."""
        return self._ask("")

    def close(self) -> None:
        if self._server is not None:
            self._server.communicate()

    def _ask(self, line: str) -> int:
        if self._server is None:
            environment = {**os.environ, "PYTHONPATH": f"{HERE.parent}:{HERE.parent / 'support'}"}
            command = [sys.executable, "-m", "conformance.engines.local_workers"]
            self._server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{line}\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())
