"""What a step writes, kept for people, with a limit on its size."""

from __future__ import annotations

from pathlib import Path

CAP_BYTES = 1_048_576


class StepLog:
    """The log file of one attempt; when it reaches its cap the rest is counted, not kept, and the log says so."""

    def __init__(self, path: Path, cap_bytes: int = CAP_BYTES) -> None:
        self.path = path
        self._left = cap_bytes
        self._dropped = 0
        self._cap = cap_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, content: bytes) -> None:
        """Adds raw bytes, up to the cap."""
        kept = content[: self._left]
        if kept:
            self._file.write(kept)
            self._left -= len(kept)
        self._dropped += len(content) - len(kept)

    def line(self, text: str) -> None:
        """Adds a line of SomaGent's own."""
        self.write(f"{text}\n".encode())

    def close(self) -> None:
        """Closes the file; says how much was dropped."""
        if self._dropped:
            self._file.write(f"\n[log capped at {self._cap} bytes; {self._dropped} bytes dropped]\n".encode())
            self._dropped = 0
        self._file.close()
