"""Prunes the bucket ADDRESS as in two hours, keeps one run, and is killed at the NUMBERth change of the bucket.

Half of what is to be deleted at once is gone then. Exit 0 when there are not so many changes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from somagent.operators.runner.contents import Contents
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.upkeep import prune


class Dying(Bucket):
    """A bucket at which somebody is killed."""

    left = 0

    async def delete(self, names: list[str]) -> None:
        await super().delete(names[: len(names) // 2] if self.left == 1 else names)
        self._count()

    async def move(self, name: str, to: str) -> None:
        self._count()
        await super().move(name, to)

    async def claim(self, name: str, content: bytes) -> bytes:
        self._count()
        return await super().claim(name, content)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main(address: str, folder: str, number: str) -> None:
    bucket = Dying(address)
    bucket.left = int(number)
    ledger = ObjectLedger(bucket, Contents(Path(folder)), lambda: utc_now() + timedelta(hours=2))
    asyncio.run(prune(ledger, ledger.now(), 1))


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
