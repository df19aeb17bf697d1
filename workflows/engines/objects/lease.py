"""The lease on an attempt: who is at work on it signs, and who has not signed for long enough may be given up.

Nobody's clock is compared with that of another machine: whoever waits sees by its own clock for how long the sign has
not changed, and whoever signs by its own for how long no sign of it has come through: who could not sign stops its
work before others begin. A sign says for how long there has been work, so that the time after the last one does not
count as work. What keeps a late result out is the end of the attempt (see `attempts`), not the sign.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.records import Attempt, StepKey
from somagent.workflows.engines.objects.attempts import AttemptLost, Attempts
from somagent.workflows.engines.protocol import EngineError

LENGTH_S = 15.0
_PER_LENGTH = 5  # signs


class Lease:
    """Signs for an attempt until it is given back. When it is lost, the task that took it is cancelled.

    It is lost to others who ended the attempt, and when no sign has come through for so long that they soon may: the
    rest of the length is for what is at work to end. `since` is when the attempt was begun, by the loop's clock.
    """

    def __init__(
        self, attempts: Attempts, attempt: Attempt, length_s: float = LENGTH_S, since: float | None = None
    ) -> None:
        self.is_lost = False
        self._loop = asyncio.get_running_loop()
        self._attempts, self._attempt, self._every_s = attempts, attempt, length_s / _PER_LENGTH
        self._worker = asyncio.current_task()
        self._since = self._loop.time() if since is None else since
        self._end = self._ends_after(self._since)
        self._keeper = asyncio.create_task(self._keep())

    def conclude(self) -> None:
        """The attempt is about to be ended here: from now on its end tells of a loss, and nothing is cancelled."""
        self._worker = None

    async def give_back(self) -> None:
        """Signs no more."""
        self._end.cancel()
        self._keeper.cancel()
        await asyncio.wait([self._keeper])

    async def _keep(self) -> None:
        wait_s = self._every_s
        while not self.is_lost:
            await asyncio.sleep(wait_s)
            began = self._loop.time()
            try:
                async with asyncio.timeout(2 * self._every_s):  # asked anew: the bucket waits longer from time to time
                    await self._attempts.sign(self._attempt, f"{began - self._since:.3f}".encode())
            except AttemptLost:
                self._lose()
                return
            except (TimeoutError, EngineError):
                wait_s = self._every_s / 10  # the store may be back in time, or the work be through before
                continue
            wait_s = self._every_s
            self._end.cancel()
            self._end = self._ends_after(began)

    def _ends_after(self, sign: float) -> asyncio.TimerHandle:
        return self._loop.call_at(sign + (_PER_LENGTH - 1) * self._every_s, self._lose)

    def _lose(self) -> None:
        if self._worker is not None:
            self.is_lost = True
            self._worker.cancel()


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
    give_up_at = None if patience_s is None else clock() + patience_s
    seen: tuple[int, bytes | None] | None = None
    since = clock()
    while (begun := await attempts.open_attempt(key)) is not None:
        sign = (begun.attempt.number, await attempts.last_sign(begun.attempt))
        if sign != seen:
            seen, since = sign, clock()
        elif clock() - since >= length_s:
            until = min(begun.attempt.started_at + _worked(sign[1]), now())
            await attempts.cut_off(begun.attempt, until, "who was at work on it gave no sign any more")
            continue
        if give_up_at is not None and clock() >= give_up_at:
            raise AttemptHeld(f"attempt {begun.attempt.number} of {key} is at work")
        await asyncio.sleep(length_s / _PER_LENGTH / 2)


async def until_at_most(attempts: Attempts, attempt: Attempt, now: datetime, length_s: float = LENGTH_S) -> datetime:
    """Until when others have been at work on an open attempt, as far as they said so; the next sign may not be due."""
    worked = _worked(await attempts.last_sign(attempt)) + timedelta(seconds=length_s / _PER_LENGTH)
    return min(attempt.started_at + worked, now)


def _worked(sign: bytes | None) -> timedelta:
    """For how long there had been work at this sign; earlier programs counted their signs."""
    return timedelta(seconds=float(sign) if sign else 0)
