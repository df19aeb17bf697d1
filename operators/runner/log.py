"""What a step writes, kept for people, with a limit on its size."""

from __future__ import annotations

import io
from pathlib import Path

CAP_BYTES = 1_048_576


class StepLog:
    """The log file of one attempt; when it reaches its cap the rest is counted, not kept, and the log says so.

    The file is made when something is first written: a step that says nothing leaves none.
    """

    def __init__(self, path: Path, cap_bytes: int = CAP_BYTES) -> None:
        self.path = path
        self._left = cap_bytes
        self._dropped = 0
        self._cap = cap_bytes
        self._file: io.FileIO | None = None

    def write(self, content: bytes) -> None:
        """Adds raw bytes, up to the cap."""
        kept = content[: self._left]
        if kept:
            self._append(kept)
            self._left -= len(kept)
        self._dropped += len(content) - len(kept)

    def line(self, text: str) -> None:
        """Adds a line of SomaGent's own."""
        self.write(f"{text}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Closes the file; says how much was dropped."""
        if self._dropped:
            self._append(f"\n[log capped at {self._cap} bytes; {self._dropped} bytes dropped]\n".encode())
            self._dropped = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, content: bytes) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        try:
            self._file.write(content)
        except OSError as refused:  # the system does not say which file it was
            refused.filename = str(self.path)
            raise
