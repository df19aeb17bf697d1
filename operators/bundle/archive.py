"""A zip file whose bytes depend on its content only.

Names are sorted by their UTF-8, times are 1980-01-01 (the earliest that a zip can say), permissions are 0644 or 0755,
and nothing is compressed: what a compressor makes of the same bytes differs between versions of zlib, so a compressed
bundle would have another digest on another machine.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


class Member(Struct, frozen=True):
    """One entry; `write` puts its `size` bytes into the open file that it is given."""

    path: str
    mode: int  # type and permissions, as in stat(2)
    size: int
    write: Callable[[BinaryIO], None]


def file_mode(*, executable: bool) -> int:
    """The mode of a file in a bundle."""
    return stat.S_IFREG | (0o755 if executable else 0o644)


LINK_MODE = stat.S_IFLNK | 0o777
FOLDER_MODE = stat.S_IFDIR | 0o755


def write_archive(path: Path, members: Iterable[Member]) -> None:
    """Writes the members into a new zip file."""
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for member in sorted(members, key=lambda member: member.path.encode()):
            info = zipfile.ZipInfo(member.path, _TIME)
            info.create_system = _UNIX
            info.external_attr = member.mode << 16
            info.file_size = member.size
            with archive.open(info, "w", force_zip64=member.size >= zipfile.ZIP64_LIMIT) as target:
                member.write(target)  # type: ignore[arg-type]
