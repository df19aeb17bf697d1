"""One run, followed by commands as a person would give them until it has ended, whatever becomes of each."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from drawn import PEOPLE, Drawn
from verdict import Agreed

COMMAND = Path(sys.executable).with_name("somagent")
_MOST_COMMANDS = 60
_PATIENCE_S = 1800
_DECIDED = re.compile(r"has decided on step .* already|does not wait any more|is not waiting|has ended")


class Stuck(Exception):
    """The run cannot come to its end; the message is what the commands said."""


class Pursuit:
    """A run and those who follow it."""

    def __init__(self, drawn: Drawn, folder: Path, draw: random.Random, environment: dict[str, str]) -> None:
        self.drawn, self.folder, self.draw, self.environment = drawn, folder, draw, environment
        self.run = ""
        self.agreed: list[Agreed] = []
        self.said: list[str] = []
        self.following: subprocess.Popen[str] | None = None
        self.doubled = 0

    def submit(self) -> str:
        """The run's id."""
        capsule = self.drawn.write(self.folder)
        for _ in range(_MOST_COMMANDS):
            code, out = self._command("run", str(capsule), "--as", "ada", "--detach", "--output", "json")
            if code in {0, 3}:
                self.run = json.loads(out)["id"]
                return self.run
            if found := re.search(r"\br-\d{8}-\d{4}-[0-9a-f]{6}\b", self.said[-1]):  # recorded; nobody works on it yet
                self.run = found[0]
                return self.run
            if code != 5:
                raise Stuck(f"submitting: {self.said[-1]}")
            time.sleep(2)
        raise Stuck(f"nothing was submitted: {self.said[-3:]}")

    def to_the_end(self) -> dict[str, Any]:
        """The run as it is shown when it has ended."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end and len(self.said) < _MOST_COMMANDS:
            code, out = self._follow()
            if code == 3:
                self._decide(json.loads(out))
            elif code in {0, 1, 4} and out.startswith("{"):
                shown: dict[str, Any] = json.loads(out)
                if shown["endedAt"]:
                    return shown
            elif code not in {5, -9} and "goes on with it" not in self.said[-1]:  # its Workflow was deleted
                raise Stuck(self.said[-1])
            else:
                time.sleep(1)
        raise Stuck(f"it has not ended after {len(self.said)} commands: {self.said[-3:]}")

    def _follow(self) -> tuple[int, str]:
        second = None
        if self.draw.random() < 0.15:  # two at once
            second = self._start("resume", self.run, "--output", "json")
            self.doubled += 1
        self.following = self._start("resume", self.run, "--output", "json")
        ended = self._ended(self.following)
        if second is not None:
            self._ended(second)
        return ended

    def _decide(self, shown: dict[str, Any]) -> None:
        asked = [name for name, step in shown["steps"].items() if "waiting" in step]
        if not asked:
            raise Stuck(f"it waits, and nobody is asked: {json.dumps(shown)[:2000]}")
        gate = self.draw.choice(asked)
        person = self.draw.choice(PEOPLE)
        at = time.time()
        code, _ = self._command("approve", self.run, gate, "--as", person)
        if code in {0, 1, 3, 4}:
            self.agreed.append(Agreed(gate, person, at))
        elif code not in {5, -9} and not _DECIDED.search(self.said[-1]):
            raise Stuck(self.said[-1])

    def _start(self, *words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [COMMAND, *words], env={**os.environ, **self.environment}, stdout=pipe, stderr=pipe, text=True
        )

    def _ended(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        out, told = process.communicate()
        words = [str(word) for word in list(process.args)[1:]] if isinstance(process.args, list) else []
        self.said.append(f"`{' '.join(words)}` ended with {process.returncode}: {told[-1500:]}{out[-1500:]}")
        return process.returncode, out

    def _command(self, *words: str) -> tuple[int, str]:
        return self._ended(self._start(*words))
