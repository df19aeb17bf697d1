"""What is told, before it takes the form that somebody asked for: spans, log entries, measurements.

None of them has a field for what people and programs say: inputs, outputs, prompts, what scripts write, messages of
failures, comments, names of people. What is not there cannot be sent. Only an entry's `message` has such words; it is
written to standard error and goes nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

Attributes = Mapping[str, str | int | float | bool]


class Span(Struct, frozen=True, kw_only=True):
    """Something that took time, and has ended."""

    name: str
    trace: int
    id: int
    parent: int | None
    start: datetime
    end: datetime
    attributes: Attributes
    error: str = ""  # the class of the failure; empty: there is none
    links: tuple[tuple[int, int], ...] = ()  # traces and spans that it has to do with


class Entry(Struct, frozen=True, kw_only=True):
    """Something that happened."""

    at: datetime
    severity: Literal["INFO", "WARN", "ERROR"]
    name: str
    text: str
    trace: int
    span: int
    attributes: Attributes
    message: str = ""  # for standard error only


class Measure(Struct, frozen=True, kw_only=True):
    """An amount for the instrument of this name."""

    name: str
    value: float
    attributes: Attributes = {}


Told = Span | Entry | Measure


class Sink(Protocol):
    """Where it goes. It must not raise."""

    def take(self, told: Told) -> None:
        """Takes one; does not wait for anybody."""
        ...

    def close(self) -> None:
        """Sends what is left."""
        ...

    @property
    def is_failing(self) -> bool:
        """Whether it is not worth waiting for."""
        ...
