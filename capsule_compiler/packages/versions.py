"""Versions and ranges of versions, with the meaning that cargo gives them.

Versions are those of SemVer 2.0.0 without build metadata. A range is `^`, `~`, `=` or `>=` before a version whose later
numbers may be missing (https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html). A pre-release fits only
a range that itself names a pre-release of the same three numbers, so that nobody gets one unasked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from msgspec import Struct

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_PART = r"(?:0|[1-9][0-9]{0,8}|[0-9]{0,40}[A-Za-z-][0-9A-Za-z-]{0,40})"
PRE_RELEASE = rf"{_PART}(?:\.{_PART}){{0,9}}"
VERSION = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{PRE_RELEASE})?"
RANGE = rf"(?:\^|~|=|>=){_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}(?:-{PRE_RELEASE})?)?)?"

_VERSION = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({PRE_RELEASE}))?")
_RANGE = re.compile(rf"(\^|~|=|>=)({_NUMBER})(?:\.({_NUMBER})(?:\.({_NUMBER})(?:-({PRE_RELEASE}))?)?)?")


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version; compared by the precedence of SemVer 2.0.0, section 11."""

    numbers: tuple[int, int, int]
    pre_release: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is written."""
        text = ".".join(map(str, self.numbers))
        return f"{text}-{'.'.join(self.pre_release)}" if self.pre_release else text

    def __lt__(self, other: Version) -> bool:
        """Whether it comes before the other."""
        return self._key() < other._key()

    def _key(self) -> tuple[object, ...]:
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre_release)
        return (self.numbers, not self.pre_release, parts)


class Range(Struct, frozen=True):
    """The versions from `low` on, below `high` if there is one. `text` is how it was written; empty = any version."""

    text: str
    low: Version
    high: Version | None
    exact: bool = False  # `low` and no other

    def __contains__(self, version: Version) -> bool:
        """Whether a version fits."""
        if self.exact:
            return version == self.low
        if version.pre_release and (not self.low.pre_release or version.numbers != self.low.numbers):
            return False
        return self.low <= version and (self.high is None or version < self.high)

    def __str__(self) -> str:
        """As it is written; for people."""
        return self.text or "any version"


ANY_VERSION = Range("", Version((0, 0, 0)), None)


def parse_version(text: str) -> Version | None:
    """The version that a text is, if it is one."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, pre_release = match.groups()
    return Version((int(major), int(minor), int(patch)), tuple(pre_release.split(".")) if pre_release else ())


def parse_range(text: str) -> Range | None:
    """The range that a text is, if it is one; an empty text is any version."""
    if not text:
        return ANY_VERSION
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    operator, *numbers = match.groups()[:4]
    given = [int(number) for number in numbers if number is not None]
    low = Version(_three(given), tuple(match.group(5).split(".")) if match.group(5) else ())
    return Range(text, low, _high(operator, given), exact=operator == "=" and len(given) == 3)


def _high(operator: str, given: list[int]) -> Version | None:
    """The first version that is too high: with the number raised that the operator keeps, and zeros after it."""
    last = len(given) - 1
    kept = {
        "=": last,
        "~": min(1, last),
        "^": next((at for at, number in enumerate(given) if number), last),
    }
    return None if operator == ">=" else Version(_three([*given[: kept[operator]], given[kept[operator]] + 1]))


def _three(given: list[int]) -> tuple[int, int, int]:
    major, minor, patch = (*given, 0, 0)[:3]
    return (major, minor, patch)
