"""Reads what a script wrote to $SOMAGENT_OUTPUT: lines `name=value`, or `name<<END`, lines of text and `END`.

The form is the one that people know from GitHub Actions. Values of outputs declared as strings are taken raw, all
others are JSON. Every mistake is reported with its line.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

LIMIT_BYTES = 16 * 1024 * 1024
_FAULTS_SHOWN = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Written(NamedTuple):
    """One output as it was written, and where."""

    text: str
    line: int


class AnswerRefused(Exception):
    """The file is not in the form; the message has one line for each mistake."""


def read_answer(path: Path) -> dict[str, Written]:
    """The outputs in the file, by name, in the order they were written; no file means no outputs."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    except OSError as fault:
        raise AnswerRefused(f"$SOMAGENT_OUTPUT cannot be read: {fault.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise AnswerRefused("$SOMAGENT_OUTPUT is no longer a file")
    with open(descriptor, "rb") as file:  # noqa: PTH123 - opened by descriptor
        content = file.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise AnswerRefused(
            f"$SOMAGENT_OUTPUT is larger than {LIMIT_BYTES >> 20} MiB; hand large data on as an artifact"
        )
    return parse_answer(content)


def parse_answer(content: bytes) -> dict[str, Written]:
    """The outputs in these bytes; raises `AnswerRefused`."""
    try:
        text = content.decode()
    except UnicodeDecodeError as fault:
        place = content.count(b"\n", 0, fault.start) + 1
        raise AnswerRefused(f"$SOMAGENT_OUTPUT line {place} is not UTF-8 (byte 0x{content[fault.start]:02x})") from None
    found: dict[str, Written] = {}
    faults: list[str] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        at = start = at + 1
        if not line:
            continue
        name, mark, rest = _parts(line)
        if mark == "<<":
            end = next((index for index in range(at, len(lines)) if lines[index] == rest), None) if rest else None
            if end is None:
                word = f"`{_brief(rest)}`" if rest else "a word after `<<`"
                faults.append(f"line {start}: `{_brief(name)}<<` is not closed by a line with only {word}")
                break
            rest = "\n".join(lines[at:end])
            at = end + 1
        if not mark:
            faults.append(f"line {start}: `{_brief(line)}` is neither `name=value` nor `name<<END`")
        elif not _NAME.match(name):
            faults.append(f"line {start}: `{_brief(name)}` is not an output's name; write `name=value` without spaces")
        elif name in found:
            faults.append(f"line {start}: output `{name}` was already written on line {found[name].line}")
        else:
            found[name] = Written(rest, start)
    if faults:
        shown = [f"$SOMAGENT_OUTPUT {fault}" for fault in faults[:_FAULTS_SHOWN]]
        more = [f"and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
        raise AnswerRefused("\n".join(shown + more))
    return found


def value_of(name: str, written: Written, schema: Mapping[str, Any]) -> Any:
    """The value that was written for an output with this schema; raises `AnswerRefused` when it is not JSON."""
    if is_text(schema):
        return written.text
    try:
        return msgspec.json.decode(written.text.encode())
    except (msgspec.DecodeError, RecursionError):
        wanted = schema.get("type", "JSON")
        raise AnswerRefused(
            f"$SOMAGENT_OUTPUT line {written.line}: output `{name}` is declared as {wanted}, but"
            f" `{_brief(written.text)}` is not JSON"
        ) from None


def is_text(schema: Mapping[str, Any]) -> bool:
    """Whether values of the schema are strings, which are written raw."""
    if "type" in schema:
        return bool(schema["type"] == "string")
    choices = schema.get("enum")
    return choices is not None and all(isinstance(choice, str) for choice in choices)


def _parts(line: str) -> tuple[str, str, str]:
    """Name, mark and rest; the mark that comes first counts."""
    equals, heredoc = line.find("="), line.find("<<")
    if heredoc >= 0 and (equals < 0 or heredoc < equals):
        return line[:heredoc], "<<", line[heredoc + 2 :]
    if equals >= 0:
        return line[:equals], "=", line[equals + 1 :]
    return line, "", ""


def _brief(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= 60 and line == text else line[:57] + "..."
