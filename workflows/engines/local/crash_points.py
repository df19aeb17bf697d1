"""The places where a process may die and a test lets it: each has a name and is passed in, never global.

For every write of the journal there are three: `NAME.before`, `NAME.written` (done in an open transaction) and
`NAME.committed` (durable, but nobody has been told).
"""

from __future__ import annotations

from collections.abc import Callable

Crash = Callable[[str], None]

WRITES = (
    "lease",
    "recover",
    "submit",
    "start",
    "open",
    "begin",
    "end",
    "record",
    "reserve",
    "settle",
    "signal",
    "cancel",
    "close",
)
CRASH_POINTS = tuple(f"{write}.{moment}" for write in WRITES for moment in ("before", "written", "committed"))


def survive(_point: str) -> None:
    """The hook of every real process: nothing happens."""
