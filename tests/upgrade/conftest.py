"""Older programs, built from this repository's own history: the newest one of every journal version before today's.

Each is a wheel in an environment of its own with the dependencies that it was locked to. They are kept below
`.venv/upgrade`, by commit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from somagent_shell import Ended, Shell

ROOT = Path(__file__).parents[2]
SCHEMA = "workflows/engines/local/schema.py"
_VERSION = re.compile(r"^VERSION = (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """A `somagent` of an older journal version."""

    commit: str
    version: int

    @property
    def folder(self) -> Path:
        """Its environment."""
        return ROOT / ".venv" / "upgrade" / self.commit[:12]

    def install(self) -> None:
        """Builds the wheel and installs it, unless that was done before."""
        ready, part = self.folder / "ready", self.folder / "source"
        if ready.exists():
            return
        part.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=BytesIO(_git("archive", self.commit))) as archive:
            archive.extractall(part, filter="data")
        subprocess.run([sys.executable, "-m", "venv", self.folder], check=True)
        pip = [self.folder / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--require-hashes", "-r", part / "requirements" / "core.txt"], check=True)
        subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", self.folder, part], check=True)
        subprocess.run([*pip, "install", "--no-deps", *self.folder.glob("*.whl")], check=True)
        ready.touch()


@dataclass(frozen=True)
class OldShell(Shell):
    """Runs the commands of an older program in the same folder."""

    program: Path

    def __call__(self, *arguments: str, timeout_s: float = 60) -> Ended:  # type: ignore[override]
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=self.environment(PATH=f"{self.program.parent}:{os.environ['PATH']}"),
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def older_programs() -> list[Program]:
    """The last program of each older version, newest first; none when the history is not there."""
    try:
        changes = _git("log", "--format=%H", "-G^VERSION = [0-9]+$", "--", SCHEMA).decode().split()
        before = [_git("rev-parse", f"{commit}^").decode().strip() for commit in changes[:-1]]
        texts = [(commit, _git("show", f"{commit}:{SCHEMA}").decode()) for commit in before]
    except (subprocess.CalledProcessError, FileNotFoundError):
        return []
    found = ((commit, _VERSION.search(text)) for commit, text in texts)
    return [Program(commit, int(match[1])) for commit, match in found if match]


@pytest.fixture(params=older_programs() or [None], ids=lambda one: f"version-{one.version}" if one else "none")
def program(request: pytest.FixtureRequest) -> Program:
    """An older program, installed."""
    if request.param is None:
        pytest.skip("older programs are built from git's history, which is not here; clone the repository whole")
    request.param.install()
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def old(program: Program, somagent: Shell) -> OldShell:
    """Its command, in the folder of `somagent`."""
    return OldShell(somagent.folder, program=program.folder / "bin" / "somagent")


@pytest.fixture
def everything_in(somagent: Shell) -> Callable[[], dict[str, bytes]]:
    """Every file of the data directory with its content.

    Left out are the lease, which says who was here, and what SQLite puts beside a file while it reads: an index, and a
    log without content.
    """
    folder = somagent.folder / ".somagent"
    passing = {"lease", "journal.sqlite3-shm"}

    def look() -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file() and path.name not in passing)
        found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
        return {name: content for name, content in found.items() if content or not name.endswith("-wal")}

    return look
