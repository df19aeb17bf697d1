"""Runs that ended long ago go from a bucket, and all content that no other run stands on.

Nobody holds a bucket, so others may read, submit and retry meanwhile. A run goes by its submission first: from then on
it is no run for anybody, and what is left of it is removed by this call or the next one. Content goes in two steps.
It is moved aside, where readers still find it; whoever stores it again meanwhile stores it anew. A later call deletes
what was moved aside long enough ago, and puts back what some run stands on by then.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Struct

from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.attempts import at_once
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.upkeep.inventory import Whole, contents, stands_on, wholes

SETTLED = timedelta(hours=1)  # what is younger may be on its way into a run, or be needed by one


class Pruned(NamedTuple):
    """What went, or would go."""

    runs: list[str]
    objects: int
    size: int  # bytes
    aside: int  # pieces of content that a later call deletes


class _Aside(Struct, frozen=True):
    """What one call moved aside."""

    at: datetime
    digests: list[str]


async def prune(ledger: ObjectLedger, before: datetime, keep: int = 0, *, dry_run: bool = False) -> Pruned:
    """Removes the runs that ended before that time, but for the newest `keep` ones; those inside go with their wholes.

    Cut off at any moment, it leaves whole runs, and rests that the next call removes.
    """
    bucket, settled = ledger.bucket, ledger.now() - SETTLED
    every = await wholes(bucket)
    doomed = await _doomed(ledger, [one for one in every if one.is_begun], before, keep)
    rests = [one for one in every if not one.is_begun and one.youngest < settled]
    gone = {one.top for one in (*doomed, *rests)}
    stored, aside = await contents(bucket), await contents(bucket, names.ASIDE)
    needed = await stands_on(bucket, [one for one in every if one.top not in gone], {**aside, **stored})
    unneeded = sorted(digest for digest, one in stored.items() if digest not in needed and one.modified < settled)
    old, young = await _lists(bucket, settled)
    due = {digest for listed in old.values() for digest in listed} - {one for each in young.values() for one in each}
    final = [one for digest, one in aside.items() if digest in due and (digest in stored or digest not in needed)]
    removed = [one for whole in (*doomed, *rests) for one in whole.objects]
    if not dry_run:
        for whole in (*doomed, *rests):
            await _remove(bucket, whole)
        await _move_aside(ledger, unneeded)
        back = [digest for digest in aside if digest in needed and digest not in stored]
        await at_once([bucket.move(names.aside(one), names.content(one)) for one in back])
        await bucket.delete([*(one.name for one in final), *old])
    size = sum(one.size for one in (*removed, *final))
    return Pruned([one.top for one in doomed], len(removed) + len(final), size, len(unneeded))


async def _doomed(ledger: ObjectLedger, runs: Sequence[Whole], before: datetime, keep: int) -> list[Whole]:
    """Oldest first; what cannot be read stays, for `doctor` to tell of."""

    async def times(whole: Whole) -> tuple[datetime, datetime | None] | None:
        with suppress(msgspec.MsgspecError):
            closed = await ledger.closed(whole.top)
            return (await ledger.deeds.run(whole.top)).created_at, None if closed is None else closed.at
        return None

    known = [(at, one) for at, one in zip(await at_once([times(one) for one in runs]), runs, strict=True) if at]
    known.sort(key=lambda one: (one[0][0], one[1].top))
    older = known[: max(len(known) - keep, 0)]
    return [whole for (_, ended), whole in older if ended is not None and ended < before]


async def _remove(bucket: Bucket, whole: Whole) -> None:
    """The submission first, then those of the runs inside it, then all else."""
    listed = [one.name for one in whole.objects]
    first = names.deed(whole.top, 1)
    inside = [name for name in listed if name != first and name.endswith("/deeds/1")]
    for some in ([first] if first in listed else [], inside, [one for one in listed if one not in {first, *inside}]):
        await bucket.delete(some)


async def _move_aside(ledger: ObjectLedger, digests: Sequence[str]) -> None:
    """The list comes first: what is on it and was not moved is where it was."""
    if not digests:
        return
    now = ledger.now()
    listed = msgspec.json.encode(_Aside(now, list(digests)))
    await ledger.bucket.claim(f"{names.ASIDE_LISTS}/{now:%Y%m%dT%H%M%S}-{os.urandom(4).hex()}", listed)
    await at_once([ledger.bucket.move(names.content(one), names.aside(one)) for one in digests])


async def _lists(bucket: Bucket, settled: datetime) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What was moved aside, by the names of the lists: long enough ago, and since then."""
    old, young = dict[str, list[str]](), dict[str, list[str]]()
    for name in await bucket.names(names.ASIDE_LISTS):
        text = await bucket.read(name)
        if text is not None:
            listed = msgspec.json.decode(text, type=_Aside)
            (old if listed.at < settled else young)[name] = listed.digests
    return old, young
