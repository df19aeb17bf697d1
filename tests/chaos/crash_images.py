"""What a disk may hold after the power went: everything that was synced, and any part of what was not.

The rules are those of POSIX, stricter than any file system of today: a write is safe when its file was synced after
it, a name (made, moved, removed) when its folder was. What is not safe may be there or not, each write and each name
for itself and of a long write any of its sectors, in whatever order they were made.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from disk import Call

_SECTOR = 512
NOT_ON_DISK = (".sqlite3-shm",)  # shared memory; SQLite makes it anew


@dataclass
class _File:
    calls: list[tuple[int, Call]] = field(default_factory=list)  # writes and cuts, with their numbers in the trace
    synced: int = -1  # the calls before this one are safe


@dataclass
class _Name:
    """A change of a folder: a name was made, moved or removed."""

    at: int
    call: Call
    file: _File | None
    safe: bool = False


class Replay:
    """The calls up to a point, and from there on an image of the disk."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._names: list[_Name] = []
        self._files: dict[str, _File] = {}
        self._open: dict[int, tuple[str, _File | None]] = {}
        for at, call in enumerate(calls):
            self._take(at, call)

    def _take(self, at: int, call: Call) -> None:
        match call.name:
            case "process":
                self._open.clear()
            case "create":
                file = self._files[call.path] = _File()
                self._open[call.fd] = (call.path, file)
                self._names.append(_Name(at, call, file))
            case "open":
                self._open[call.fd] = (call.path, self._files.get(call.path))
            case "close":
                self._open.pop(call.fd, None)
            case "write" | "truncate":
                _, file = self._open[call.fd]
                assert file is not None
                file.calls.append((at, call))
            case "sync":
                self._sync(at, call)
            case "syncall":
                for one in self._files.values():
                    one.synced = at
                for name in self._names:
                    name.safe = True
            case "mkdir" | "rmdir" | "symlink" | "unlink" | "rename":
                self._names.append(_Name(at, call, self._files.get(call.path)))
                if call.name in {"unlink", "rename"}:
                    moved = self._files.pop(call.path, None)
                    if call.name == "rename" and moved is not None:
                        self._files[call.path2] = moved
                if call.name == "rename":
                    for path in [one for one in self._files if one.startswith(f"{call.path}/")]:
                        self._files[call.path2 + path.removeprefix(call.path)] = self._files.pop(path)

    def _sync(self, at: int, call: Call) -> None:
        path, file = self._open[call.fd]
        if file is not None:
            file.synced = at
            return
        for name in self._names:
            where = name.call.path2 or name.call.path
            if (where.rpartition("/")[0] or ".") == path:
                name.safe = True

    def write(self, folder: Path, keeps: Callable[[], bool], *, torn: bool) -> None:
        """Writes an image into the empty folder; `keeps` says of each thing that is not safe whether it is there."""
        links: dict[str, _File | None] = {"": None}  # by path; folders have no file
        for name in self._names:
            if name.safe or keeps():
                _apply(name, links)
        for path, file in sorted(links.items()):
            if file is None:
                (folder / path).mkdir(exist_ok=True)
            elif not path.endswith(NOT_ON_DISK):
                (folder / path).write_bytes(_content(file, keeps, torn=torn))


def _apply(name: _Name, links: dict[str, _File | None]) -> None:
    call = name.call
    parent = (call.path2 or call.path).rpartition("/")[0]
    if parent not in links:
        return
    match call.name:
        case "create":
            links[call.path] = name.file
        case "mkdir":
            links[call.path] = None
        case "unlink":
            links.pop(call.path, None)
        case "rmdir":
            if not any(path.startswith(f"{call.path}/") for path in links):
                links.pop(call.path, None)
        case "rename" if name.file is not None:  # the file has its new name, whether or not the old one was safe
            links.pop(call.path, None)
            links[call.path2] = name.file
        case "rename" if call.path in links:
            for path in [one for one in links if one == call.path or one.startswith(f"{call.path}/")]:
                links[call.path2 + path.removeprefix(call.path)] = links.pop(path)


def _content(file: _File, keeps: Callable[[], bool], *, torn: bool) -> bytes:
    content = bytearray()
    for at, call in file.calls:
        safe = at < file.synced
        if call.name == "truncate":
            if safe or keeps():
                del content[call.number :]
                content.extend(bytes(call.number - len(content)))
            continue
        step = _SECTOR if torn and not safe else len(call.content)
        for start in range(0, len(call.content), step or 1):
            if safe or keeps():
                part = call.content[start : start + step]
                first = call.number + start
                content.extend(bytes(max(0, first + len(part) - len(content))))
                content[first : first + len(part)] = part
    return bytes(content)


def chooser(draw: random.Random, share: float) -> Callable[[], bool]:
    """Keeps about this share of what is not safe."""
    return lambda: draw.random() < share
