"""Standard output and error as commands have them: a lost reader, a full disk or a poor locale ends no run."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_ASCII = {"✓": "+", "✗": "x", "·": ".", "▸": ">"}
_ERRORS = "somagent-plain"


class OutputLost(Exception):
    """Standard output takes no more; `reason` is the system's error."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(f"cannot write to standard output: {(reason.strerror or str(reason)).lower()}")
        self.reason = reason

    @property
    def unread(self) -> bool:
        """Whether the reader has gone, as `head` does."""
        return self.reason.errno == errno.EPIPE


class Stream(io.TextIOWrapper):
    """A standard stream. What it cannot take goes nowhere from then on; that is an `OutputLost` unless it endures."""

    enduring = False

    def write(self, text: str) -> int:
        """Writes the text."""
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Hands on what was written."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        lost = OutputLost(error)
        if not self.enduring:
            raise lost
        if not lost.unread and sys.stderr is not self:
            sys.stderr.write(f"warning: {lost}\n")


def prepare() -> None:
    """Puts `Stream`s in place of the standard streams, and opens those that are closed."""
    codecs.register_error(_ERRORS, _plain)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # else the next file opened, perhaps the journal, would get its number
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _stream(sys.stdout, 1), _stream(sys.stderr, 2)
    sys.stderr.enduring = True


def endure() -> None:
    """From now on the work counts, whatever becomes of its output."""
    if isinstance(sys.stdout, Stream):
        sys.stdout.enduring = True


@contextlib.contextmanager
def kept_clean(*, clean: bool = True) -> Iterator[None]:
    """What code that is not ours prints goes to standard error, so that standard output holds the answer only."""
    with contextlib.redirect_stdout(sys.stderr) if clean else contextlib.nullcontext():
        yield


def _stream(old: TextIO | None, number: int) -> Stream:
    if not isinstance(old, io.TextIOWrapper):  # it was closed
        return Stream(open(number, "wb", closefd=False), encoding="utf-8", errors=_ERRORS)
    encoding, lines, through = old.encoding, old.line_buffering, old.write_through
    return Stream(old.detach(), encoding=encoding, errors=_ERRORS, line_buffering=lines, write_through=through)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Signs that the locale has no letters for, as ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(char, "?") for char in error.object[error.start : error.end]), error.end
