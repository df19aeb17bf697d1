"""What a step writes, kept for people, with a limit on its size."""

from __future__ import annotations

import io
from pathlib import Path

CAP_BYTES = 1_048_576
END_BYTES = 65_536


class StepLog:
    """The log file of one attempt. Of one that is longer than its cap, the beginning and the end are kept.

    What a step says last is what explains its failure, so it takes the place of what is said in the middle. It is in
    memory until the attempt has ended. The file is made when something is first written: a step that says nothing
    leaves none.
    """

    def __init__(self, path: Path, cap_bytes: int = CAP_BYTES, end_bytes: int = END_BYTES) -> None:
        self.path = path
        self._left = cap_bytes - end_bytes
        self._end_bytes = end_bytes
        self._end = bytearray()
        self._dropped = 0
        self._file: io.FileIO | None = None

    def write(self, content: bytes) -> None:
        """Adds raw bytes; what does not fit drops the middle."""
        kept = content[: self._left]
        if kept:
            self._append(kept)
            self._left -= len(kept)
        self._end += content[len(kept) :]
        if len(self._end) > 2 * self._end_bytes:  # not at every write: moving what is kept costs time
            self._drop()

    def line(self, text: str) -> None:
        """Adds a line of SomaGent's own."""
        self.write(f"{text}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Writes the end, says before it how much was dropped, and closes the file."""
        if len(self._end) > self._end_bytes:
            self._drop()
        end, self._end = bytes(self._end), bytearray()
        if self._dropped:
            if whole := end.partition(b"\n")[2]:  # it begins with a line, not in the middle of one
                self._dropped += len(end) - len(whole)
                end = whole
            self._append(f"\n[{self._dropped} bytes are left out here: the log is longer than is kept]\n".encode())
            self._dropped = 0
        if end:
            self._append(end)
        if self._file is not None:
            self._file.close()
            self._file = None

    def _drop(self) -> None:
        over = len(self._end) - self._end_bytes
        del self._end[:over]
        self._dropped += over

    def _append(self, content: bytes) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        try:
            self._file.write(content)
        except OSError as refused:  # the system does not say which file it was
            refused.filename = str(self.path)
            raise
