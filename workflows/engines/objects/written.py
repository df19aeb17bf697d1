"""What steps of a run at a bucket write, while they write it and from their records, each line once.

An attempt's log is whole in the bucket when the attempt is over. Until then, what starts the steps may show what they
write; then the record tells what of it was not shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import timedelta

from somagent.operators.runner.log import CAP_BYTES, END_BYTES
from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.attempts import at_once, attempts_in
from somagent.workflows.engines.objects.driver import Output
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.protocol import LogChunk

_Try = tuple[StepKey, int]
_ALIGNED_BYTES = 4096  # by so much is it found out where in a record it goes on, when the middle of it is left out


class Shown:
    """What an attempt wrote as it was shown, in whole lines."""

    def __init__(self) -> None:
        self._beginning, self._end, self._size, self._rest = bytearray(), b"", 0, b""

    def more(self, content: bytes) -> bytes:
        """What is to be shown of what came: a line that has not ended is kept back."""
        lines, newline, self._rest = (self._rest + content).rpartition(b"\n")
        shown = lines + newline
        self._beginning += shown[: CAP_BYTES - len(self._beginning)]
        self._end = (self._end + shown)[-END_BYTES:]
        self._size += len(shown)
        return shown

    def left_of(self, record: bytes) -> bytes:
        """What the record of the attempt has beyond what was shown; its middle may be left out."""
        if record.startswith(self._beginning) and self._size <= len(record):
            return record[self._size :]
        known = self._end[-_ALIGNED_BYTES:]
        found = record.rfind(known)
        if known and found >= 0:
            return record[found + len(known) :]
        alike, most = 0, min(len(record), len(self._beginning))
        while alike < most:
            middle = (alike + most + 1) // 2
            alike, most = (middle, most) if record.startswith(self._beginning[:middle]) else (alike, middle - 1)
        return record[record.rfind(b"\n", 0, alike) + 1 :]


class Written:
    """The chunks that are to be shown, as they come (`taken`)."""

    def __init__(self, ledger: ObjectLedger, run_id: str) -> None:
        self._ledger, self._run = ledger, run_id
        self._chunks: deque[LogChunk] = deque()
        self._shown: dict[_Try, Shown] = {}
        self._recorded: set[_Try] = set()

    def taken(self) -> Iterator[LogChunk]:
        """What has come since this was last asked."""
        while self._chunks:
            yield self._chunks.popleft()

    async def read(self, listed: list[str]) -> None:
        """Takes the records that are new among these names, in the order in which the attempts began."""
        found = {}
        for name in listed:
            what, number = names.number_in(name)
            run_id = name.split("/")[2]
            if "/steps/" in name and what == "log" and (run_id == self._run or run_id.startswith(f"{self._run}.")):
                found[names.key_of(run_id, name), number] = name
        new = {one: name for one, name in found.items() if one not in self._recorded}
        attempts = attempts_in(await self._ledger.attempts_of.of({key for key, _ in new}))
        order = [(one.key, one.number) for one in attempts if (one.key, one.number) in new]
        texts = await at_once([self._ledger.bucket.read(new[one]) for one in order])
        for one, text in zip(order, texts, strict=True):
            self._recorded.add(one)
            self._tell(one, self._shown.pop(one, Shown()).left_of(text or b""))

    async def add(self, output: Output) -> None:
        """Takes what a step at work writes; of an attempt whose record was taken, nothing is left to be shown."""
        one = await self._attempt_of(output)
        if one is not None and one not in self._recorded:
            self._tell(one, self._shown.setdefault(one, Shown()).more(output.content))

    async def _attempt_of(self, output: Output) -> _Try | None:
        """The attempt that began first where this was written."""
        began = output.began - timedelta(seconds=1)  # times there may have no fractions
        (found,) = await self._ledger.attempts_of.of([output.key])
        after = [one for one in attempts_in([found]) if one.started_at >= began]
        return (output.key, after[0].number) if after else None

    def _tell(self, one: _Try, content: bytes) -> None:
        if content:
            key, number = one
            self._chunks.append(LogChunk(key=key, attempt=number, text=content.decode(errors="replace")))
