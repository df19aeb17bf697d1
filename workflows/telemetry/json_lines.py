"""What happens as lines of JSON on standard error, for whoever collects the output of programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from somagent.operators.runner.trace_context import is_wanted
from somagent.workflows.telemetry.signals import Entry, Told


class JsonLines:
    """Writes entries, each as one line."""

    is_failing = False

    def __init__(self, env: Mapping[str, str], stream: TextIO | None = None) -> None:
        self._stream = stream
        self._is_traced = is_wanted("traces", env)

    def take(self, told: Told) -> None:
        """Writes an entry; what is no entry is passed over."""
        if not isinstance(told, Entry):
            return
        traced = {"trace_id": f"{told.trace:032x}", "span_id": f"{told.span:016x}"} if self._is_traced else {}
        message = {"message": told.message} if told.message else {}
        known = {"text": told.text, **message, **told.attributes, **traced}
        write_line(told.severity, told.name, told.at, known, self._stream)

    def close(self) -> None:
        """Nothing is left."""


def write_line(
    severity: str, name: str, at: datetime, more: Mapping[str, object], stream: TextIO | None = None
) -> None:
    """Writes one line; one that nobody takes is nothing to fail for."""
    head = {"time": at.astimezone(UTC).isoformat(timespec="microseconds"), "severity": severity, "event": name}
    line = msgspec.json.encode({**head, **more}).decode()
    out = stream or sys.stderr
    try:
        out.write(f"{line}\n")
        out.flush()
    except (OSError, ValueError):
        pass
