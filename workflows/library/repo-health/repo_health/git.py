"""Asks git about a repository nobody has vouched for.

A repository's own configuration can name programs (fsmonitor, hooks, pagers, external diffs, promisor remotes), and a
user's configuration can change every answer. So each call starts from an empty environment and a private home, switches
those programs off, and may not use any transport. Only `snapshot` looks at the user's repository; everything else asks
a copy whose configuration we wrote.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

OLDEST = (2, 30)
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git knows it without storing it

HARMLESS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.quotePath=true",
    "core.bigFileThreshold=5m",  # larger blobs are not diffed
    f"attr.tree={EMPTY_TREE}",  # a committed .gitattributes must not hide a file from a diff
    "protocol.allow=never",
    "i18n.logOutputEncoding=UTF-8",
    "log.showRoot=true",
    "log.showSignature=false",
    "diff.renames=false",
)


class GitError(Exception):
    """Git refused, failed or is missing; the message is for people."""


@dataclass(frozen=True, slots=True)
class Git:
    """Git on one repository. `home` is an existing private folder that holds nothing but our `.gitconfig`."""

    repository: Path
    home: Path
    options: tuple[str, ...] = ()  # where the repository is: empty = found from `repository`, else `--git-dir=...`
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, git_dir: Path, home: Path, **extra: str) -> Git:
        """Git on the repository whose git directory is exactly `git_dir`."""
        return cls(git_dir, home, (f"--git-dir={git_dir}",), extra)

    def environment(self) -> dict[str, str]:
        """What git sees: nothing of the caller's but PATH."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_PAGER": "cat",
            **self.extra,
        }

    def command(self, *arguments: str) -> list[str]:
        """The whole command line of one call."""
        settings = [part for setting in HARMLESS for part in ("-c", setting)]
        return ["git", "-C", str(self.repository), *self.options, "--no-pager", *settings, *arguments]

    def run(self, *arguments: str, stdin: bytes = b"", accept: Sequence[int] = (0,)) -> bytes:
        """Runs to the end and returns what git wrote. Raises GitError on an exit code outside `accept`."""
        done = subprocess.run(
            self.command(*arguments), input=stdin, capture_output=True, env=self.environment(), check=False
        )
        if done.returncode not in accept:
            raise GitError(_complaint(arguments, done.stderr, done.returncode))
        return done.stdout

    def text(self, *arguments: str) -> str:
        """The same as one line of text."""
        return self.run(*arguments).decode("utf-8", "surrogateescape").rstrip("\n")

    @contextmanager
    def stream(self, *arguments: str, stdin: Iterable[str] = ()) -> Iterator[IO[bytes]]:
        """Git's output while it is being written. Raises GitError at the end if git failed and all was read."""
        with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as complaints:
            asked.writelines(line.encode() + b"\n" for line in stdin)  # a file, so that neither side can block
            asked.seek(0)
            process = subprocess.Popen(
                self.command(*arguments),
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=self.environment(),
                bufsize=1 << 18,
            )
            output = process.stdout
            assert output is not None  # noqa: S101 - PIPE was asked for
            try:
                yield output
                finished = output.read(1) == b""
            except BaseException:
                process.kill()
                raise
            finally:
                output.close()
                code = process.wait()
            if finished and code != 0:
                complaints.seek(0)
                raise GitError(_complaint(arguments, complaints.read(), code))

    def blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Each blob's id and content, in the order asked; a missing one is left out."""
        with self.stream("cat-file", "--batch", "--buffer", stdin=oids) as output:
            while header := output.readline():
                oid, _, rest = header.decode("ascii").rstrip("\n").partition(" ")
                if rest == "missing":
                    continue
                size = int(rest.split()[-1])
                content = output.read(size)
                output.read(1)  # the line end after each object
                yield oid, content


def private_home(folder: Path) -> Path:
    """Makes the home that git is given. Ownership is not checked: what the owner could have configured is off."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitconfig").write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")
    return folder


def require_git() -> None:
    """Raises GitError when git is missing or older than `OLDEST`."""
    if shutil.which("git") is None:
        raise GitError("git is not on the PATH; install git 2.30 or newer and run again")
    said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout
    numbers = said.removeprefix("git version ").split(".")[:2]
    if not all(number.strip().isdigit() for number in numbers) or tuple(map(int, numbers)) < OLDEST:
        raise GitError(f"git 2.30 or newer is needed; this machine says: {said.strip() or 'nothing'}")


def _complaint(arguments: Sequence[str], stderr: bytes, code: int) -> str:
    said = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    told = said[-1].removeprefix("fatal: ") if said else f"exit code {code}"
    name = next((part for part in arguments if not part.startswith("-") and "=" not in part), "")
    return f"git {name} failed: {told}"
