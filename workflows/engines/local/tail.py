"""What the attempts of a run write, as they write it, in whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from somagent.operators.runner.records import Attempt
from somagent.workflows.engines.local.reading import log_path
from somagent.workflows.engines.local.rows import Rows
from somagent.workflows.engines.protocol import LogChunk

_Which = tuple[str, int]  # a run, and the number of one of its attempts among all that began here


class Tail:
    """The logs of a run and of those inside it, from their beginning; each call of `more` goes on where the last was.

    Only attempts that are at work, or were when it was last asked, are looked at again.
    """

    def __init__(self, rows: Rows, run_id: str) -> None:
        self._rows, self._run = rows, run_id
        self._last: dict[str, int] = {}
        self._open: dict[str, set[int]] = {}
        self._read: dict[_Which, int] = {}  # bytes of its log so far

    def more(self) -> Iterator[LogChunk]:
        """The lines since the last time; what is left of an unfinished line comes when its attempt has ended."""
        for run in (self._run, *self._rows.inside(self._run)):
            still_open = self._open.setdefault(run, set())
            for number, attempt in self._rows.attempts_since(run, self._last.get(run, 0), still_open):
                self._last[run] = max(self._last.get(run, 0), number)
                ended = attempt.ended_at is not None
                chunk = self._chunk((run, number), attempt, ended=ended)
                (still_open.discard if ended else still_open.add)(number)
                if chunk is not None:
                    yield chunk

    def _chunk(self, which: _Which, attempt: Attempt, *, ended: bool) -> LogChunk | None:
        path = log_path(self._rows.store.directory, attempt.key, attempt.number)
        content = _after(path, self._read.get(which, 0))
        if not ended:
            content = content[: content.rfind(b"\n") + 1]
        self._read[which] = self._read.get(which, 0) + len(content)
        text = content.decode(errors="replace")
        return LogChunk(key=attempt.key, attempt=attempt.number, text=text) if content else None


def _after(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""
