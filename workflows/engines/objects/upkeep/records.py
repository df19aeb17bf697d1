"""Every record of a run can be read, stands where it says that it does, and holds what its digest is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from somagent.capsule_compiler.plan import Amounts, Plan, decode_plan, digest_of
from somagent.governance.chain import check_chain
from somagent.operators.runner.contents import ContentError, Contents
from somagent.operators.runner.records import NO_ITEM, StepKey, StepResult
from somagent.operators.runner.values import digest_of_value, fetch
from somagent.workflows.engines.digests import stored_in
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.accounts import Book
from somagent.workflows.engines.objects.attempts import Begun, End, at_once
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.deeds import Deed
from somagent.workflows.engines.objects.driver import Address
from somagent.workflows.engines.objects.ledger import Closed
from somagent.workflows.engines.objects.upkeep.inventory import Whole


class Looked(NamedTuple):
    """How many records were looked at, what is wrong with some of them, and the content that they name."""

    records: int
    faults: list[str]
    needs: set[str]


async def look_at_records(bucket: Bucket, whole: Whole, contents: Contents | None) -> Looked:
    """Looks at every record; with `contents`, outputs that are kept as content are held against their digests, too."""
    by_run: dict[str, list[str]] = {}
    for one in whole.objects:
        by_run.setdefault(one.name.split("/")[2], []).append(one.name)
    count, faults, needs = 0, list[str](), set[str]()
    for run_id, listed in by_run.items():
        kept = [name for name in listed if not names.is_sign(name)]
        texts = dict(zip(kept, await at_once([bucket.read(name) for name in kept]), strict=True))
        run = _Run(run_id, {name: text for name, text in texts.items() if text is not None})
        found = [*run.faults(), *await run.plan_faults(bucket), *(run.outputs(contents) if contents else ())]
        of = "" if run_id == whole.top else f"{run_id}: "
        faults += [of + one for one in found]
        count, needs = count + len(kept), needs | run.needs
    return Looked(count, faults, needs)


class _Run:
    """The records of one run, without those inside it, by their names."""

    def __init__(self, run_id: str, texts: Mapping[str, bytes]) -> None:
        self._id, self._texts, self._folder = run_id, texts, f"{names.run_folder(run_id)}/"
        self._results: dict[StepKey, StepResult] = {}
        self._plan_digest = ""
        self.needs: set[str] = set()

    def faults(self) -> Iterator[str]:
        """What is wrong with them by themselves."""
        yield from self._of_deeds()
        attempts: dict[StepKey, dict[str, set[int]]] = {}
        for name, text in self._texts.items():
            own = name.removeprefix(self._folder)
            kind = own.partition("/")[0]
            if kind == "steps":
                what, number = names.number_in(name)
                key = names.key_of(self._id, name)
                attempts.setdefault(key, {"begun": set(), "end": set()})[what].add(number)
                yield from (f"`{own}` {said}" for said in self._of_attempt(key, what, number, text))
            elif kind in _KINDS:
                yield from (f"`{own}` {said}" for said in _unread(_KINDS[kind], text))
        for key, numbers in attempts.items():
            last = max(numbers["end"], default=0)
            for gone in sorted(set(range(1, last + 1)) - numbers["end"]):
                yield f"`{key.step}` has no end of attempt {gone}, and one of attempt {last}"
            if max(numbers["begun"], default=0) > last + 1:
                yield f"`{key.step}` has begun attempt {max(numbers['begun'])}, and the one before has no end"

    def _of_deeds(self) -> Iterator[str]:
        own = dict(self._numbered("deeds"))
        if not own:
            is_being_made = all(names.number_in(name)[0] == "end" for name in self._texts)  # of what it takes over
            if not is_being_made:
                yield "it was never submitted"
            return
        if max(own) != len(own):
            yield f"an entry of what people did is missing: there are {len(own)}, and one is number {max(own)}"
        checked = check_chain(own[number] for number in sorted(own))
        if checked.fault:
            yield f"what people did is in doubt: {checked.fault}"
        for number, text in own.items():
            said = list(_unread(lambda text: msgspec.json.decode(text, type=Deed), text))
            yield from (f"`deeds/{number}` {one}" for one in said)
            submit = None if said else msgspec.json.decode(text, type=Deed).submit
            if submit is not None:
                self._plan_digest = submit.plan_digest
                if submit.id != self._id:
                    yield f"`deeds/{number}` is that of {submit.id}"

    def _numbered(self, folder: str) -> Iterator[tuple[int, bytes]]:
        start = f"{self._folder}{folder}/"
        for name, text in self._texts.items():
            number = name.removeprefix(start)
            if name.startswith(start) and number.isdigit():
                yield int(number), text

    def _of_attempt(self, key: StepKey, what: str, number: int, text: bytes) -> Iterator[str]:
        kind: Any = Begun if what == "begun" else End
        try:
            record = msgspec.json.decode(text, type=kind)
        except msgspec.MsgspecError as error:
            yield f"cannot be read ({error})"
            return
        attempt, result = record.attempt, None if what == "begun" else record.result
        if attempt is not None and (attempt.key, attempt.number) != (key, number):
            yield f"is that of attempt {attempt.number} of {attempt.key}"
        if result is not None:
            if result.key != key:
                yield f"has the result of {result.key}"
            self._results[key] = result
            self.needs.update(stored_in(result.outputs))

    async def plan_faults(self, bucket: Bucket) -> Sequence[str]:
        """Whether its plan is there, and what its digest says; what it takes along is needed too."""
        if not self._plan_digest:
            return []
        self.needs.add(self._plan_digest)
        text = await _stored(bucket, self._plan_digest)
        if text is None:
            return ["its plan is not there"]
        if digest_of(text) != self._plan_digest:
            return ["its plan is not what its digest says"]
        try:
            plan: Plan = decode_plan(text)
        except msgspec.MsgspecError as error:
            return [f"its plan cannot be read ({error})"]
        self.needs.update(file.digest for each in (plan, *plan.capsules.values()) for file in each.files)
        return []

    def outputs(self, contents: Contents) -> Iterator[str]:
        """Outputs that are not those of their digest; of a fan-out, whose items have them, the digests of its items."""
        for key, result in self._results.items():
            if not result.output_digest and not result.outputs:
                continue
            try:
                if result.items is not None:
                    items = [self._results.get(key._replace(item=item)) for item in range(result.items)]
                    told = digest_of_value([one.output_digest for one in items if one is not None])
                else:
                    told = digest_of_value(fetch(result.outputs, contents))
            except (ContentError, OSError):  # which is told by itself
                continue
            except (msgspec.MsgspecError, ValueError):
                told = ""
            if told != result.output_digest:
                name = key.step if key.item == NO_ITEM else f"{key.step}/{key.item}"
                yield f"the result of `{name}` has another digest of its outputs than they have"


async def _stored(bucket: Bucket, digest: str) -> bytes | None:
    content = await bucket.read(names.content(digest))
    return await bucket.read(names.aside(digest)) if content is None else content


def _unread(read: Callable[[bytes], object], text: bytes) -> Iterator[str]:
    try:
        read(text)
    except (msgspec.MsgspecError, ValueError) as error:
        yield f"cannot be read ({error})"


_KINDS: Mapping[str, Callable[[bytes], object]] = {
    "started": lambda text: datetime.fromisoformat(text.decode()),
    "ended": lambda text: msgspec.json.decode(text, type=Closed),
    "engine": lambda text: msgspec.json.decode(text, type=Address),
    "budget": lambda text: msgspec.json.decode(text, type=Book),
    "opened": int,
    "spent": lambda text: msgspec.json.decode(text, type=Amounts),
}
