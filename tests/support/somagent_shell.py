"""The `somagent` command as users have it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts_left import end_scripts

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
    """Runs commands in `folder`, without a terminal; what it started ends with it (`end`)."""

    folder: Path
    started: list[subprocess.Popen[Any]] = field(default_factory=list, kw_only=True, compare=False)

    def __call__(self, *arguments: str, stdin: str = "", timeout_s: float = 60, **environment: str) -> Ended:
        try:
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
        except subprocess.TimeoutExpired:  # it was killed
            end_scripts(self.folder)
            raise
        assert "Traceback" not in done.stderr + done.stdout
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts a command and returns at once."""
        process = subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(**environment),
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Ends what was started and has not ended, and the scripts of its steps: a test that failed waits for none."""
        for process in self.started:
            if process.returncode is None:
                process.kill()
                process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        if self.started:
            end_scripts(self.folder)

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
