"""The logs of attempts in a pod or task: kept as everywhere, and seen in what the process prints as it is written."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from somagent.operators.runner.log import StepLog
from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.engines.remote.work import LAST_WORDS_S

_EVERY_S = 5.0  # so much of a log is lost at the most when what works is killed


class EchoedLog(StepLog):
    """Writes to standard output as well, where `kubectl logs` and the engine's own pages show it."""

    def write(self, content: bytes) -> None:
        super().write(content)
        with suppress(OSError):  # who reads it may be gone, or have no room; it is kept all the same
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()


class Logs:
    """The logs that are written in this process, with their files in a folder."""

    def __init__(self, ledger: ObjectLedger, folder: Path) -> None:
        self._ledger, self._folder = ledger, folder
        self._files: dict[tuple[StepKey, int], Path] = {}

    def of(self, key: StepKey, attempt: int) -> EchoedLog:
        """The log of an attempt."""
        return EchoedLog(self._files.setdefault((key, attempt), self._folder / str(len(self._files))))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keeps at the bucket what is written inside: again and again while it is, and whole at the end."""
        keeping = asyncio.create_task(self._keep_so_far())
        try:
            yield
        except asyncio.CancelledError:
            with suppress(TimeoutError, EngineError):
                async with asyncio.timeout(LAST_WORDS_S):
                    await self._keep()
            raise
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
        await self._keep()

    async def _keep(self) -> None:
        for (key, attempt), path in self._files.items():
            if path.exists():
                await self._ledger.keep_log(key, attempt, path.read_bytes())

    async def _keep_so_far(self) -> None:
        """What has grown; a store that does not take it is asked again, as this is for people only."""
        kept: dict[Path, int] = {}
        while True:
            await asyncio.sleep(_EVERY_S)
            for (key, attempt), path in list(self._files.items()):
                with suppress(EngineError, OSError):
                    if path.stat().st_size > kept.get(path, 0):
                        content = path.read_bytes()
                        await self._ledger.keep_log(key, attempt, content, whole=False)
                        kept[path] = len(content)
