"""What lies in a bucket, by the runs that it belongs to, and the content that they stand on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import msgspec

from somagent.workflows.engines.digests import DIGEST, MANIFEST, digests_in
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.attempts import at_once
from somagent.workflows.engines.objects.bucket import Bucket, Found
from somagent.workflows.engines.objects.deeds import Deed

_OURS = re.compile(
    r"runs/([^/.]+)/\1(\.[^/]+)?/(started|ended|engine|(deeds|budget)/\d+|(spent|opened)/\w+"
    r"|steps/\w+(/\d+)?/(begun|alive|said|log|end)\.\d+)"
)


class Whole(NamedTuple):
    """A run that is inside no other one, with those inside it: all their objects."""

    top: str
    objects: Sequence[Found]

    @property
    def is_begun(self) -> bool:
        """Whether it is a run for readers; without its submission it is on its way in or out."""
        first = names.deed(self.top, 1)
        return any(one.name == first for one in self.objects)

    @property
    def youngest(self) -> datetime:
        """When the last of them was stored."""
        return max(one.modified for one in self.objects)


async def wholes(bucket: Bucket) -> list[Whole]:
    """All of them, in the order of their ids; objects of others, whatever they are, are none of ours."""
    found: dict[str, list[Found]] = {}
    for one in await bucket.listing(names.RUNS):
        if _OURS.fullmatch(one.name):
            found.setdefault(one.name.split("/")[1], []).append(one)
    return [Whole(top, objects) for top, objects in sorted(found.items())]


async def contents(bucket: Bucket, folder: str = names.CONTENTS) -> dict[str, Found]:
    """What is stored, by its digest."""
    found = {names.digest_of(one.name): one for one in await bucket.listing(folder) if one.name.count("/") > 1}
    return {digest: one for digest, one in found.items() if DIGEST.fullmatch(digest.encode())}


async def stands_on(bucket: Bucket, runs: Iterable[Whole], stored: Mapping[str, Found]) -> dict[str, list[str]]:
    """The digest of all content that these runs need, each with the runs that need it; it may be missing.

    Plans and folders name more content than records do, so they are read as well.
    """
    needed: dict[str, list[str]] = {}
    named: dict[str, list[str]] = {}  # by the text of a plan or a folder

    async def named_by(digest: str, *, is_plan: bool) -> list[str]:
        if digest not in named:
            text = await _text_of(bucket, stored.get(digest), is_plan=is_plan)
            named[digest] = [] if text is None else digests_in(text)
        return named[digest]

    for whole in runs:
        records = [one.name for one in whole.objects if not names.is_sign(one.name)]
        texts = [text for text in await at_once([bucket.read(one) for one in records]) if text is not None]
        plans, known = {plan for text in texts for plan in _plans(text)}, set[str]()
        left = {digest for text in texts for digest in digests_in(text)}
        while left := left - known:
            known |= left
            told = await at_once([named_by(digest, is_plan=digest in plans) for digest in left])
            left = {digest for some in told for digest in some}
        for digest in known:
            needed.setdefault(digest, []).append(whole.top)
    return needed


def _plans(text: bytes) -> list[str]:
    """The plan of the run whose submission this is."""
    with suppress(msgspec.MsgspecError):
        submit = msgspec.json.decode(text, type=Deed).submit
        return [] if submit is None else [submit.plan_digest]
    return []


async def _text_of(bucket: Bucket, stored: Found | None, *, is_plan: bool) -> bytes | None:
    """A plan or a folder's manifest; nothing of other content, which may be large."""
    if stored is None or not (is_plan or await bucket.begins_with(stored, MANIFEST)):
        return None
    return await bucket.read(stored.name)
