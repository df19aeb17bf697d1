"""Watches what this process asks of the file system, and makes it fail where told; the work is done by `disk.c`.

The library is built by `cc` when it is first needed and put before the C library by LD_PRELOAD, so it takes Linux and
a compiler, and no privilege. It sees Python's calls and SQLite's alike.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("disk.c")
NONE, KILL_BEFORE, KILL_AFTER, NO_SPACE, IO_ERROR, SHORT_WRITE = range(6)


class Call(NamedTuple):
    """A call that changed something: see `disk.c`. Paths are relative to the watched folder."""

    name: str
    fd: int
    number: int  # where a write began, or the size that a file was cut to
    path: str
    path2: str
    content: bytes


def preloaded() -> None:
    """Starts this program again with the library before all others, unless it is there already."""
    if "SOMAGENT_TEST_DISK" in os.environ:
        return
    library = str(built())
    before = os.environ.get("LD_PRELOAD", "")
    os.environ |= {"LD_PRELOAD": f"{library} {before}".strip(), "SOMAGENT_TEST_DISK": library}
    os.execv(sys.executable, [sys.executable, *sys.argv])


def built() -> Path:
    """The library, built anew when its source has changed."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise SystemExit("this takes Linux and a C compiler (`apt-get install gcc libc6-dev`)")
    name = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    target = Path(tempfile.gettempdir(), f"somagent-disk-{os.getuid()}-{name}.so")
    if not target.exists():
        made = f"{target}.{os.getpid()}"
        flags = ["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", made, str(SOURCE), "-ldl", "-lpthread"]
        subprocess.run([compiler, *flags], check=True)
        Path(made).rename(target)
    return target


def watch(folder: Path, trace: int = -1, *, call: str = "", pattern: str = "", nth: int = 0, fault: int = NONE) -> None:
    """From now on in this process: records go to the file `trace`, and the `nth` call that matches gets the fault."""
    library = ctypes.CDLL(os.environ["SOMAGENT_TEST_DISK"])
    if library.disk_watch(os.fsencode(folder), trace, call.encode(), pattern.encode(), nth, fault):
        raise OSError(f"cannot watch {folder}")


def read_trace(path: Path) -> Iterator[Call]:
    """The calls in the order in which they were made."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        end = content.index(b"\n", at)
        name, fd, number, length, paths = os.fsdecode(content[at:end]).split(" ", 4)
        first, _, second = paths.partition("|")
        at = end + 1 + int(length)
        yield Call(name, int(fd), int(number), first, second, content[end + 1 : at])
