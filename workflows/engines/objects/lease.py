"""The lease on an attempt: who is at work on it signs, and who has not signed for long enough may be given up.

Nobody's clock is compared with that of another machine: whoever waits sees by its own clock for how long the sign has
not changed. What keeps a late result out is the end of the attempt (see `attempts`), not the sign.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.records import Attempt, StepKey
from somagent.workflows.engines.objects.attempts import AttemptLost, Attempts
from somagent.workflows.engines.protocol import StoreUnreachable

LENGTH_S = 15.0
_PER_LENGTH = 5  # signs


class Lease:
    """Signs for an attempt until it is given back; the task that took it is cancelled when others ended the attempt."""

    def __init__(self, attempts: Attempts, attempt: Attempt, length_s: float = LENGTH_S) -> None:
        self.is_lost = False
        self._attempts, self._attempt, self._length_s = attempts, attempt, length_s
        self._worker = asyncio.current_task()
        self._keeper = asyncio.create_task(self._keep())

    def conclude(self) -> None:
        """The attempt is about to be ended here: from now on its end tells of a loss, and nothing is cancelled."""
        self._worker = None

    async def give_back(self) -> None:
        """Signs no more."""
        self._keeper.cancel()
        await asyncio.wait([self._keeper])

    async def _keep(self) -> None:
        number = 0
        while not self.is_lost:
            await asyncio.sleep(self._length_s / _PER_LENGTH)
            number += 1
            try:
                await self._attempts.sign(self._attempt, str(number).encode())
            except AttemptLost:
                if self._worker is None:
                    return
                self.is_lost = True
                self._worker.cancel()
            except StoreUnreachable:
                continue  # the work may be through before the store is back; else it is heard of then


async def freed(
    attempts: Attempts,
    key: StepKey,
    *,
    now: Callable[[], datetime],
    length_s: float = LENGTH_S,
    patience_s: float | None = None,
) -> None:
    """Returns when no attempt at the key is open: it ended, or gave no sign for `length_s` and was cut off.

    Raises `AttemptHeld` when one is still at work after `patience_s`.
    """
    if await attempts.begun_after_seen(key) is None:
        return
    clock = asyncio.get_running_loop().time
    until = None if patience_s is None else clock() + patience_s
    seen: tuple[int, bytes | None] | None = None
    since = clock()
    while (begun := await attempts.open_attempt(key)) is not None:
        sign = (begun.attempt.number, await attempts.last_sign(begun.attempt))
        if sign != seen:
            seen, since = sign, clock()
        elif clock() - since >= length_s:
            await attempts.cut_off(begun.attempt, now(), "who was at work on it gave no sign any more")
            continue
        if until is not None and clock() >= until:
            raise AttemptHeld(f"attempt {begun.attempt.number} of {key} is at work")
        await asyncio.sleep(length_s / _PER_LENGTH / 2)
