"""Looks through runs at a bucket for what is broken, and says what to do about each."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from somagent.operators.runner.contents import Contents
from somagent.operators.runner.objects import copy_and_digest
from somagent.workflows.engines.digests import MANIFEST, digests_in
from somagent.workflows.engines.findings import Finding
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import Bucket, Found
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.objects.upkeep.inventory import contents, wholes
from somagent.workflows.engines.objects.upkeep.prune import SETTLED
from somagent.workflows.engines.objects.upkeep.records import look_at_records

_MOST = 3  # faults of a run, and runs that stand on content, that are told of
_OF_A_RUN = "what it did is in doubt, other runs are not touched by it; run its capsule anew, or restore its objects"
_OF_CONTENT = "restore that object from a copy or an older version, or run the capsule anew"


async def examine(ledger: ObjectLedger, *, whole: bool = True) -> list[Finding]:
    """Everything about runs at the bucket, in order; with `whole`, every stored byte is read too."""
    return [finding async for finding in _findings(ledger, whole=whole)]


async def _findings(ledger: ObjectLedger, *, whole: bool) -> AsyncIterator[Finding]:
    bucket = ledger.bucket
    every = await wholes(bucket)
    begun = [one for one in every if one.is_begun]
    count = sum(len(one.objects) for one in every)
    size = sum(each.size for one in every for each in one.objects)
    yield Finding("store", "good", f"{bucket.address} answers: {len(begun):,} runs, {count:,} objects, {size:,} bytes")
    broken, records, users = False, 0, dict[str, list[str]]()
    with tempfile.TemporaryDirectory(prefix="somagent-doctor-") as folder:
        store = Contents(Path(folder), origin=BucketContents(bucket)) if whole else None
        for one in begun:
            looked = await look_at_records(bucket, one, store)
            records += looked.records
            for digest in looked.needs:
                users.setdefault(digest, []).append(one.top)
            if looked.faults:
                broken = True
                left = len(looked.faults) - _MOST
                more = f"; and {left:,} more" if left > 0 else ""
                yield Finding(f"run {one.top}", "broken", "; ".join(looked.faults[:_MOST]) + more, _OF_A_RUN)
        if not broken:
            yield Finding("records", "good", f"all {records:,} can be read, and agree with their places and digests")
        async for finding in _contents(bucket, users, Path(folder) / "content", whole=whole):
            yield finding
    rests = [one for one in every if not one.is_begun and one.youngest < ledger.now() - SETTLED]
    if rests:
        what = f"{len(rests):,} run{'s' * (len(rests) != 1)}, removed halfway or never submitted, take room"
        yield Finding("rests", "note", what, "the next `somagent prune` removes them")


async def _contents(
    bucket: Bucket, users: dict[str, list[str]], scratch: Path, *, whole: bool
) -> AsyncIterator[Finding]:
    """Content that runs stand on is there, and is what was stored."""
    stored = {**await contents(bucket, names.ASIDE), **await contents(bucket)}
    await _add_folders(bucket, users, stored)
    broken = size = 0
    for digest, runs in sorted(users.items()):
        one = stored.get(digest)
        if one is None:
            said = f"{names.content(digest)} is missing"
        elif whole and _digest_of(bucket, one, scratch) != digest:
            said = f"{one.name} is not what its digest says"
        else:
            size += one.size
            continue
        broken += 1
        more = f" and {len(runs) - _MOST} more" if len(runs) > _MOST else ""
        yield Finding("content", "broken", f"{said} (of {', '.join(runs[:_MOST])}{more})", _OF_CONTENT)
    if not broken:
        how = "whole" if whole else "there; what is in them was not read"
        yield Finding("content", "good", f"{len(users):,} objects, {size:,} bytes, all {how}")


async def _add_folders(bucket: Bucket, users: dict[str, list[str]], stored: Mapping[str, Found]) -> None:
    """Adds what stored folders name; a folder names files only."""
    for digest, runs in list(users.items()):
        one = stored.get(digest)
        if one is not None and await bucket.begins_with(one, MANIFEST):
            for file in digests_in(await bucket.read(one.name) or b""):
                known = users.setdefault(file, [])
                known += [run for run in runs if run not in known]


def _digest_of(bucket: Bucket, one: Found, scratch: Path) -> str:
    """Of the object as it is in the store."""
    if not bucket.fetch_to(one.name, scratch):
        return ""
    with scratch.open("rb", buffering=0) as source:
        digest, _ = copy_and_digest(source, None)
    scratch.unlink()
    return digest
