"""How much room is left for runs: what a full disk stops cannot write down why it stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

_LITTLE = 256 * 1024**2  # bytes


class Room(NamedTuple):
    """What is free where a data directory is."""

    free: int  # bytes

    @property
    def is_little(self) -> bool:
        """Whether the next run may find too little."""
        return self.free < _LITTLE

    @property
    def said(self) -> str:
        """In words."""
        return f"{self.free // 1024**2:,} MiB free"


def room_at(directory: Path) -> Room:
    """The room of a directory that is there."""
    return Room(shutil.disk_usage(directory).free)
