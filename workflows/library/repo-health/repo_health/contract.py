"""The step contract in one place: values come in by `$SOMAGENT_INPUT`, answers go out to `$SOMAGENT_OUTPUT`.

The file holds what `env:` says, with types and without the size limit of environment variables.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .git import GitError, private_home, require_git


class Refusal(Exception):
    """The step cannot do its job; the message says why and what to do."""


def value(name: str) -> Any:
    """The value of that name under the step's `env:`; an artifact is its path. Raises Refusal when there is none."""
    try:
        return json.loads(Path(os.environ["SOMAGENT_INPUT"]).read_bytes())[name]
    except KeyError:
        raise Refusal(f"the step was started without {name}; see `env:` in repo-health.capsule.yaml") from None


def answer(**outputs: Any) -> None:
    """Writes the step's outputs: strings raw, all else as JSON, one line each. Strings hold no line ends."""
    with Path(os.environ["SOMAGENT_OUTPUT"]).open("a", encoding="utf-8") as file:
        for name, output in outputs.items():
            text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, separators=(",", ":"))
            file.write(f"{name}={text}\n")


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file in ASCII, so that a path that is no UTF-8 comes back as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="ascii")


def read_json(path: Path) -> Any:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text(encoding="ascii"))


def step(program: Callable[[Path], None]) -> None:
    """Runs a step's program with its private git home; a fault becomes one line on stderr and exit code 1."""
    try:
        require_git()
        program(private_home(Path(os.environ["HOME"]) / "git"))
    except (Refusal, GitError) as fault:
        sys.stderr.write(f"repo-health: {fault}\n")
        sys.exit(1)
