"""Attempts as objects: who creates the beginning of the next number has it, who creates its end has ended it.

A result is a part of the end of an attempt. So an attempt that was given up by others cannot record any more: the end
of its number is there already.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.records import Attempt, Failure, StepKey, StepResult
from somagent.operators.runner.succession import after
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import Bucket

T = TypeVar("T")

_AT_ONCE = 32  # reads on their way


class Begun(Struct, frozen=True):
    """The beginning of an attempt."""

    attempt: Attempt
    holder: Annotated[str, Meta(description="Unlike any other; tells one's own beginning from that of somebody else")]


class End(Struct, frozen=True, omit_defaults=True):
    """The end of an attempt; without one, of a step that ended before it was tried again or at all."""

    attempt: Attempt | None = None
    result: StepResult | None = None


class AttemptLost(AttemptHeld):
    """Others took this attempt for dead and ended it; whoever is still at work on it must stop."""


class Attempts:
    """The attempts at steps of runs. What has an end never changes, so it is read once."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._ended: dict[StepKey, list[End]] = {}

    async def ends(self, key: StepKey) -> Sequence[End]:
        """How its attempts ended, oldest first; the last one is looked for anew unless it has a result."""
        ends = self._ended.setdefault(key, [])
        while not (ends and ends[-1].result is not None):
            number = len(ends) + 1
            content = await self._bucket.read(names.end(key, number))
            if len(ends) >= number:  # somebody else here looked at the same time, and was quicker
                continue
            if content is None:
                break
            ends.append(_decode_end(content))
        return ends

    def seen(self, key: StepKey) -> Sequence[End]:
        """As `ends`, as far as they were looked at; the store is not asked."""
        return self._ended.get(key, ())

    async def result(self, key: StepKey) -> StepResult | None:
        """The recorded result, if there is one."""
        ends = await self.ends(key)
        return ends[-1].result if ends else None

    async def begin(self, key: StepKey, at: datetime) -> Attempt | StepResult:
        """Opens the next attempt, if there is no result; raises `AttemptHeld` when there is an open one."""
        ends = await self.ends(key)
        if ends and ends[-1].result is not None:
            return ends[-1].result
        last = ends[-1].attempt if ends else None
        attempt = Attempt(key=key, number=1, started_at=at) if last is None else after(last, at)
        mine = _encode(Begun(attempt, os.urandom(12).hex()))
        if await self._bucket.claim(names.begun(key, attempt.number), mine) != mine:
            raise AttemptHeld(f"attempt {attempt.number} of {key} is at work")
        return attempt

    async def open_attempt(self, key: StepKey) -> Begun | None:
        """The attempt that has begun and not ended, if there is one."""
        await self.ends(key)
        return await self.begun_after_seen(key)

    async def begun_after_seen(self, key: StepKey) -> Begun | None:
        """The attempt after those that were `seen` to end; it may have ended since then. None: none is open."""
        content = await self._bucket.read(names.begun(key, len(self.seen(key)) + 1))
        return None if content is None else _decode_begun(content)

    async def end(self, attempt: Attempt) -> None:
        """Closes an attempt without a result; raises `AttemptLost`."""
        mine = _encode(End(attempt=attempt))
        if await self._bucket.claim(names.end(attempt.key, attempt.number), mine) != mine:
            raise AttemptLost(f"attempt {attempt.number} of {attempt.key} was ended by others")

    async def record(self, attempt: Attempt | None, result: StepResult) -> StepResult:
        """Closes the attempt, else any that is open, and records the result; the first result of a key stays.

        Raises `AttemptLost` when others have ended the attempt, and no result is recorded.
        """
        ends = self.seen(result.key)
        if attempt is None or attempt.number != len(ends) + 1:  # else the claim is all that is needed
            ends = await self.ends(result.key)
        while True:
            if ends and ends[-1].result is not None:
                return ends[-1].result
            number, closing = len(ends) + 1, attempt
            if attempt is None:
                begun = await self.open_attempt(result.key)
                closing = begun.attempt if begun is not None else None
            elif attempt.number != number:
                raise AttemptLost(f"attempt {attempt.number} of {attempt.key} was ended by others")
            if closing is not None and closing.ended_at is None:
                closing = replace(closing, ended_at=result.ended_at, phase=result.phase, failure=result.failure)
            end = End(attempt=closing, result=result)
            mine = _encode(end)
            if await self._bucket.claim(names.end(result.key, number), mine) == mine:
                own = self._ended.setdefault(result.key, [])
                own[number - 1 :] = [end]
            ends = await self.ends(result.key)  # one look: a second one may see what others did meanwhile

    async def cut_off(self, attempt: Attempt, at: datetime, why: str) -> None:
        """Closes an attempt that nobody is at work on any more; one that ended by itself stays as it ended."""
        failure = Failure(failure_class="cut_off", message=why)
        closed = replace(attempt, ended_at=max(at, attempt.started_at), phase="Failed", failure=failure)
        await self._bucket.claim(names.end(attempt.key, attempt.number), _encode(End(attempt=closed)))

    async def sign(self, attempt: Attempt, content: bytes) -> None:
        """Says that somebody is at work on the attempt; raises `AttemptLost`."""
        await self._bucket.overwrite(names.alive(attempt.key, attempt.number), content)
        if await self._bucket.read(names.end(attempt.key, attempt.number)) is not None:
            raise AttemptLost(f"attempt {attempt.number} of {attempt.key} was ended by others")

    async def last_sign(self, attempt: Attempt) -> bytes | None:
        """What was last said so."""
        return await self._bucket.read(names.alive(attempt.key, attempt.number))

    async def keys(self, run_id: str, step: str = "") -> list[StepKey]:
        """All steps and items of the run, or of one step, that have been tried or have ended."""
        return names.keys_in(run_id, await self._bucket.names(names.step_folder(run_id, step)))

    async def of(self, keys: Iterable[StepKey]) -> list[tuple[Sequence[End], Begun | None]]:
        """How the attempts at each of them ended, and the one that is open."""
        return await at_once([self._of(key) for key in keys])

    async def _of(self, key: StepKey) -> tuple[Sequence[End], Begun | None]:
        ends = await self.ends(key)
        return ends, None if ends and ends[-1].result is not None else await self.open_attempt(key)


def attempts_in(found: Iterable[tuple[Sequence[End], Begun | None]]) -> list[Attempt]:
    """The attempts, in the order of their starts."""
    every = [one.attempt for ends, begun in found for one in (*ends, *([begun] if begun else ()))]
    return sorted((one for one in every if one is not None), key=lambda attempt: attempt.started_at)


async def at_once(asked: Sequence[Awaitable[T]]) -> list[T]:
    """The answers, in order; so many are asked at a time that a store is kept busy and not flooded."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(answer: Awaitable[T]) -> T:
        async with places:
            return await answer

    return list(await asyncio.gather(*map(one, asked)))


_encode = msgspec.json.Encoder().encode
_decode_begun = msgspec.json.Decoder(Begun).decode
_decode_end = msgspec.json.Decoder(End).decode
