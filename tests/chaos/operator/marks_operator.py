"""An operator of another package whose effect is what the judge reads: lines in a file, each on the disk.

It takes a lock on its key while it is at work, so that a second attempt at the same time says so itself.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import Amounts
from somagent.operators.operator import Answer, Operator, Step, StepFailure, arguments_schema


class Mark(Struct):
    """Appends `begin`, then `end` with a value that no other attempt has, or `failed`."""

    marks: str  # the file; locks are beside it
    inputs: list[Any] = []  # values of the steps it needs
    seconds: float = 0.0
    fail: int = 0  # fails as `transient` until that many failures are in the file
    always: bool = False  # fails every time
    invalid: int = 0  # first gives outputs that are not as declared, so many times
    padding: int = 0  # makes the value so much longer, so that it is stored as a file
    tokens: int = 0


async def _mark(arguments: Mark, step: Step) -> Answer:
    key = str(step.key)
    line = {"key": key, "attempt": step.attempt, "owner": os.getpid()}
    with _owned(arguments.marks, key) as alone:
        if not alone:
            append(arguments.marks, {**line, "what": "clash"})
        append(arguments.marks, {**line, "what": "begin", "inputs": arguments.inputs})
        await asyncio.sleep(arguments.seconds)
        step.log.line(f"attempt {step.attempt} of {key}")
        before = _ended(arguments.marks, key)
        if arguments.always or before.count("failed") < arguments.fail:
            append(arguments.marks, {**line, "what": "failed"})
            raise StepFailure("transient", "told to fail")
        if before.count("invalid") < arguments.invalid:
            append(arguments.marks, {**line, "what": "invalid"})
            return Answer({"value": 7}, Amounts())
        place = re.sub(r"^[^./]+", "", key)  # the same in every run of the graph
        value = f"{place}#{os.urandom(6).hex()}#{'x' * arguments.padding}"
        append(arguments.marks, {**line, "what": "end", "value": value})
    return Answer({"value": value}, Amounts(tokens=arguments.tokens))


def append(path: str, line: dict[str, Any]) -> None:
    """One line on the disk before anything else happens; it ends what is there of one whose writer was killed."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, ("\n" + json.dumps({**line, "at": time.time()}) + "\n").encode())
    os.fsync(file)
    os.close(file)


def _ended(path: str, key: str) -> list[str]:
    return [line["what"] for line in whole_lines(Path(path)) if line["key"] == key]


def whole_lines(marks: Path) -> Iterator[dict[str, Any]]:
    """What was written, without the lines whose writer was killed in the middle."""
    for line in marks.read_text(encoding="utf-8").splitlines():
        with suppress(json.JSONDecodeError):
            yield json.loads(line)


@contextmanager
def _owned(marks: str, key: str) -> Iterator[bool]:
    file = os.open(f"{marks}.{key.replace('/', '_')}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(file)


OPERATOR = Operator(
    entry=OperatorEntry(
        name="mark",
        summary="Leave marks for the judge",
        arguments=arguments_schema(Mark),
        outputs={"value": {"type": "string"}},
    ),
    arguments=Mark,
    run=_mark,
    estimate=lambda given: Amounts(tokens=given.tokens),
)
