"""The `somagent` command as users have it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("somagent")

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: NAME }\nspec:\n"


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """Runs commands in `folder`, without a terminal."""

    folder: Path

    def __call__(self, *arguments: str, stdin: str = "", timeout_s: float = 60, **environment: str) -> Ended:
        done = subprocess.run(
            [str(COMMAND), *arguments],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=self.environment(**environment),
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command and returns at once."""
        return subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
        )

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{COMMAND.parent}:{os.environ['PATH']}", "HOME": str(self.folder), "LANG": "C.UTF-8", **more}

    def write(self, name: str, text: str) -> Path:
        """Writes a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def capsule(self, name: str, spec: str) -> str:
        """Writes a capsule whose `spec:` is this text, indented by two; returns the file's name."""
        self.write(f"{name}.capsule.yaml", HEAD.replace("NAME", name) + spec)
        return f"{name}.capsule.yaml"
