"""Pages of `docs/`, the files they show, and sessions: commands with what they print, replayed with the real command.

A session is a file of lines `$ COMMAND` (which may go on after a backslash) and the text that the command prints.
Sessions `NAME.1.session`, `NAME.2.session`, ... go on in one folder; every other one has a folder of its own. What
differs from run to run is told apart by PATTERNS and by nothing else.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from somagent_shell import COMMAND, Shell

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
EXAMPLES = DOCS / "examples"
HOME = "/home/ana/work"  # how the folder of a session is shown

_HEAD = re.compile(r"apiVersion: somagent\.io/v1alpha1|kind: Capsule|metadata: \{ name: [a-z0-9-]+ \}|spec:")
_BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_RUN = re.compile(r"\br-\d{8}-\d{4}-[0-9a-f]{4,}")

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"sha256:[0-9a-f]{12,64}"), "<digest>"),
    (re.compile(r"-[0-9a-f]{12}(?=\.py\b)"), "-<digest>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z| UTC)?"), "<time>"),
    (re.compile(r" *\b\d+\.\d+s\b"), " <duration>"),
    (re.compile(r"\b(process|kill -INT) \d+"), r"\1 <pid>"),
    (re.compile(r"line \d+: +\d+ (Killed|Interrupt)"), r"<pid> \1"),
    (re.compile(r'"(account)": "[^"]+"'), r'"\1": "<account>"'),
    (re.compile(r" +\(?[\d,]+ bytes\)? +<digest>"), " <size> <digest>"),  # a zip holds the run's id
    (re.compile(r"[\d,]+ MiB free"), "<room>"),
    (re.compile(r"[\d,]+(?= bytes(, no damage|, all whole|\)$))", re.MULTILINE), "<size>"),
    (re.compile(r"(?<=\S) {2,}(?=\S)"), "  "),  # columns are as wide as the longest duration
)


class Step(NamedTuple):
    """A command of a session and what it prints."""

    command: str
    printed: str


@dataclass(frozen=True)
class Page:
    """A page, and the folder with the files that it shows."""

    path: Path
    examples: Path

    @property
    def name(self) -> str:
        return self.path.stem

    def blocks(self) -> list[str]:
        """The texts between fences."""
        return _BLOCK.findall(self.path.read_text(encoding="utf-8"))

    def files(self) -> dict[Path, str]:
        """The files to be shown."""
        return {path: path.read_text(encoding="utf-8") for path in sorted(self.examples.rglob("*")) if path.is_file()}

    def sessions(self) -> list[list[Path]]:
        """The sessions; those that go on in one folder together."""
        paths = sorted(path for path in self.files() if path.suffix == ".session")
        return [list(group) for _, group in groupby(paths, lambda path: path.name.partition(".")[0])]

    def show(self, old: str, new: str) -> None:
        """Puts another text into the block that shows the old one."""
        text = self.path.read_text(encoding="utf-8")
        self.path.write_text(text.replace(f"\n{old}```\n", f"\n{new}```\n"), encoding="utf-8")


def not_shown(file: str, blocks: list[str]) -> list[str]:
    """The lines of a file that no block shows.

    A block is a whole file, or some of its lines; a capsule's first lines, the same in all, need not be shown.
    """
    lines = file.splitlines(keepends=True)
    shown = [bool(_HEAD.fullmatch(line.strip())) for line in lines]
    for block in blocks:
        wanted = block.splitlines(keepends=True)
        for start in range(len(lines) - len(wanted) + 1):
            if lines[start : start + len(wanted)] == wanted:
                shown[start : start + len(wanted)] = [True] * len(wanted)
    return [line for line, seen in zip(lines, shown, strict=True) if not seen]


def is_part(block: str, file: str) -> bool:
    """Whether a block shows whole lines of a file."""
    return f"\n{block}" in f"\n{file}"


def read_session(text: str) -> list[Step]:
    """The steps of a session."""
    steps: list[Step] = []
    goes_on = False
    for line in text.splitlines(keepends=True):
        if goes_on or line.startswith("$ "):
            command = steps.pop().command + line if goes_on else line[2:]
            goes_on = line.endswith("\\\n")
            steps.append(Step(command, ""))
        elif steps:
            steps.append(Step(steps[-1].command, steps.pop().printed + line))
        else:
            raise ValueError(f"a session begins with `$ COMMAND`, not with {line!r}")
    return steps


def replay(session: list[Step], shell: Shell, patience_s: float = 30) -> str:
    """The session's text as it comes out now, with HOME for the folder and without spaces at the ends of lines."""
    out = []
    for step in session:
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=shell.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patience_s,
            env=environment(shell),
            check=False,
        )
        printed = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
        out.append(f"$ {step.command}" + printed.replace(str(shell.folder), HOME))
    return "".join(out)


def environment(shell: Shell) -> dict[str, str]:
    """What a session's commands find around them; the `somagent` under test comes first."""
    path = f"{COMMAND.parent}:{shell.environment()['PATH']}"
    git = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _ANA.items()}
    return shell.environment(PATH=path, COLUMNS="100", **git)


_ANA = {"NAME": "Ana", "EMAIL": "ana@example.org", "DATE": "2026-11-02T09:00:00Z"}


def replayed(page: Page, group: list[Path], shell: Shell, *, write: bool) -> tuple[list[str], list[str]]:
    """What the sessions of a group print now, and what is recorded of them, both `normal`.

    With `write`, what is printed otherwise is recorded first, in the files and on the page.
    """
    lay_out(page, shell.folder)
    recorded = [path.read_text(encoding="utf-8") for path in group]
    printed = [replay(read_session(text), shell) for text in recorded]
    if write and normal(printed) != normal(recorded):
        for path, old, new in zip(group, recorded, printed, strict=True):
            path.write_text(new, encoding="utf-8")
            page.show(old, new)
        return normal(printed), normal(printed)
    return normal(printed), normal(recorded)


def normal(texts: list[str]) -> list[str]:
    """Texts in which everything that differs from run to run has been replaced; runs keep who is who."""
    runs: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        return runs.setdefault(match[0], f"<run {len(runs) + 1}>")

    found = []
    for text in texts:
        plain = _RUN.sub(name, text)
        for pattern, word in PATTERNS:
            plain = pattern.sub(word, plain)
        found.append(plain)
    return found


def lay_out(page: Page, folder: Path) -> None:
    """Puts the page's files into the folder, but for its sessions."""
    shutil.copytree(page.examples, folder, ignore=shutil.ignore_patterns("*.session"), dirs_exist_ok=True)
