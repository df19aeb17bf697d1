"""Text that people read in a terminal, whoever wrote it: lines without commands, and durations in few letters."""

from __future__ import annotations

from datetime import datetime, timedelta


def duration(length: timedelta | float | None) -> str:
    """`0.4s`, `12.3s`, `4m 05s`, `2h 10m`; empty when there is none."""
    if length is None:
        return ""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def between(start: datetime | None, end: datetime | None) -> str:
    """How long from one to the other; empty when one is not known."""
    return "" if start is None or end is None else duration(end - start)


def printable(text: str, limit: int = 200) -> str:
    """One line of text that a terminal can be given: no control characters, not endless; lines are joined by `;`."""
    line = "; ".join(part for part in map(str.strip, text.splitlines()) if part)
    clean = visible(line, " ").strip()
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def visible(text: str, instead: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Text that can send no commands to a terminal; lines, tabs, and the joiners inside words and signs are kept.

    All text from steps, files, people and arguments goes through it, or through `printable`, before it is printed.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _HARMLESS else instead for char in text)


# the blanks of Unicode (category Zs), and zero width joiners
_HARMLESS = frozenset(
    "\n\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u200c\u200d"
)
