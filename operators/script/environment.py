"""What a script finds around it: a few variables that are the same everywhere, and the values its step declares.

Nothing of the surrounding environment is handed to a script except PATH, so that it runs alike on every machine and no
token in somebody's shell leaks into it. On Linux a script does not find it in SomaGent's own process either, whoever it
runs as (`hiding`); and unless it runs as root, neither that process's memory nor its open files.

That is all that is promised: a script on this machine has the account's rights. The environments of other processes of
the account (the shell or the CI runner that started SomaGent) stay readable below /proc, for root those of the whole
machine, and so do the account's files. Who runs scripts of strangers gives them an account or a container of their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from somagent.governance.cel import render_text
from somagent.operators.operator import Step
from somagent.operators.runner.records import Artifact
from somagent.operators.runner.trace_context import traceparent

# execve(2): one string of an environment has at most 32 pages, the terminating zero included; everything together
# must fit a quarter of the stack's limit, of which half is taken here.
_STRING_BYTES = 32 * 4096 - 1
_TOTAL_BYTES = 1_000_000
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Places(Struct, frozen=True):
    """The folders and files of one attempt, all below the step's folder."""

    work: Path  # where the script starts, empty
    home: Path
    temporary: Path
    script: Path  # the folder of the script's text
    input: Path
    output: Path

    @classmethod
    def make(cls, root: Path) -> Places:
        """Makes the folders, and the empty output file."""
        places = cls(root / "work", root / "home", root / "tmp", root / "script", root / "input.json", root / "output")
        for folder in (places.work, places.home, places.temporary, places.script):
            folder.mkdir()
        places.output.touch()
        return places


def environment(step: Step, places: Places, include: Path | None) -> dict[str, str]:
    """The variables that every script has."""
    path = os.environ.get("PATH") or _DEFAULT_PATH
    if sys.executable:  # so that `python3` is the Python that SomaGent runs on
        path = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    variables = {
        "PATH": path,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(places.home),
        "TMPDIR": str(places.temporary),
        "PYTHONDONTWRITEBYTECODE": "1",  # keeps `__pycache__` out of artifacts and of shared copies
        "SOMAGENT_INPUT": str(places.input),
        "SOMAGENT_OUTPUT": str(places.output),
        "SOMAGENT_RUN": step.run.id,
        "SOMAGENT_STEP": step.node.id,
        "SOMAGENT_IDEMPOTENCY_KEY": str(step.key),
        "SOMAGENT_ATTEMPT": str(step.attempt),
    }
    if parent := traceparent(step.key, step.attempt, os.environ):
        variables["TRACEPARENT"] = parent
    if include is not None:
        variables["SOMAGENT_INCLUDE"] = variables["PYTHONPATH"] = str(include)
    return variables


def with_paths(value: Any, artifacts: Mapping[Artifact, Path]) -> Any:
    """The value with the path of its copy in the place of each artifact."""
    if isinstance(value, list):
        return [with_paths(item, artifacts) for item in value]
    if isinstance(value, dict):
        return {name: with_paths(item, artifacts) for name, item in value.items()}
    return str(artifacts[value]) if isinstance(value, Artifact) else value


def as_variables(values: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The values as environment variables, and by name why a value cannot be one.

    Strings stay as they are, everything else is written as JSON, as it would be in a `${{ }}` inside text.
    """
    variables: dict[str, str] = {}
    unfit: dict[str, str] = {}
    room = _TOTAL_BYTES
    texts = {name: render_text(value) for name, value in values.items()}
    for name, text in sorted(texts.items(), key=lambda item: len(item[1])):  # the smallest first, while there is room
        size = len(name) + 1 + len(text.encode())
        if "\0" in text:
            unfit[name] = "it contains a NUL character"
        elif size > _STRING_BYTES:
            unfit[name] = f"it has {size:,} bytes, more than one variable can hold"
        elif size > room:
            unfit[name] = f"it has {size:,} bytes, more than is left for all variables"
        else:
            variables[name] = text
            room -= size
    return variables, unfit
