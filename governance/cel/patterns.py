"""Regular expressions by RE2, in time linear in the text whatever the pattern: no text can make a match hang.

RE2 is what the CEL specification names for `matches`, and it is held to here for the `pattern` of schemas too. It has
no lookaround and no references back. The library (2 MB) is loaded where the first pattern is met.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol, cast

from somagent.governance.cel.values import ValueFault, quoted
from somagent.governance.documents import Span

MAX_PATTERN = 4096
_WAYS_OUT = {
    "invalid perl operator": "lookaround and the like cannot be had in linear time; say it in several patterns",
    "invalid repetition size": "a repetition counts to 1000 at most, inner and outer ones multiplied",
    "missing ]": "close the class with `]`; a bracket itself is written `\\[`",
    "missing )": "close the group with `)`; a parenthesis itself is written `\\(`",
    "unexpected )": "a parenthesis itself is written `\\)`",
    "no argument for repetition operator": "`*`, `+`, `?` and `{n}` follow what they repeat",
    "trailing \\": "a backslash itself is written `\\\\`",
}


class Pattern(Protocol):
    """What is asked of a pattern of RE2; `programsize` counts its instructions."""

    programsize: int

    def search(self, text: str) -> Any:
        """The first place where it fits, or None."""


class PatternFault(Exception):
    """The text is no regular expression; `span` counts from the pattern's first character."""

    def __init__(self, message: str, span: Span, help_: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.help = help_


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Pattern:
    """The pattern ready to match; raises `PatternFault`."""
    import re2  # type: ignore[import-untyped]  # noqa: PLC0415

    if len(pattern) > MAX_PATTERN:
        raise PatternFault(f"a pattern has at most {MAX_PATTERN} characters", Span(0, len(pattern)))
    options = re2.Options()
    options.log_errors = False
    try:
        return cast("Pattern", re2.compile(pattern, options))
    except re2.error as error:
        text = error.args[0] if error.args else b""
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    except UnicodeEncodeError as error:
        raise PatternFault("half of a surrogate pair is not a character", Span(error.start, error.end)) from None
    reason, _, part = said.partition(": ")
    if reason == "unexpected )":
        raise PatternFault(f"`{reason[-1]}` closes nothing", _unopened(pattern), _WAYS_OUT[reason])
    at = _unclosed(pattern) if reason == "missing )" else pattern.find(part)
    span = Span(at, at + (1 if reason == "missing )" else max(len(part), 1))) if at >= 0 else Span(0, len(pattern))
    raise PatternFault(reason, Span(span.start, min(span.end, max(len(pattern), 1))), _WAYS_OUT.get(reason, ""))


class Re2Form:
    """A pattern as the shapes of documents take it; raises `PatternFault`."""

    __slots__ = ("_pattern", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._pattern = compile_pattern(text)

    def search(self, text: str) -> bool:
        """Whether it fits somewhere in the text; it does not in what is no text."""
        try:
            return self._pattern.search(text) is not None
        except UnicodeEncodeError:
            return False


def matches(text: str, pattern: str) -> tuple[bool, int]:
    """Whether the pattern fits somewhere in the text, and the steps that this may have taken; raises `ValueFault`."""
    try:
        compiled = compile_pattern(pattern)
    except PatternFault as fault:
        raise ValueFault(f"{quoted(pattern)} is not a regular expression: {fault.message}") from None
    try:
        return compiled.search(text) is not None, search_steps(len(text), compiled.programsize)
    except UnicodeEncodeError:
        raise ValueFault("half of a surrogate pair is not a character") from None


def search_steps(characters: int, instructions: int) -> int:
    """The steps that count for looking through a text with a pattern's program."""
    return instructions + (characters * (instructions + 16) >> 8)


def _groups(pattern: str) -> tuple[list[int], int]:
    """Where the groups begin that are never closed, and the first `)` that closes none (-1: there is none)."""
    opened: list[int] = []
    at, in_class = 0, False
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            at += 1
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
            at += 1 if pattern[at + 1 : at + 2] == "]" else 2 if pattern[at + 1 : at + 3] == "^]" else 0
        elif character == "(":
            opened.append(at)
        elif character == ")":
            if not opened:
                return opened, at
            opened.pop()
        at += 1
    return opened, -1


def _unclosed(pattern: str) -> int:
    opened, _ = _groups(pattern)
    return opened[-1] if opened else -1


def _unopened(pattern: str) -> Span:
    at = max(_groups(pattern)[1], 0)
    return Span(at, at + 1)
