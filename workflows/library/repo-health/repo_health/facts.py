"""What the inventory measured, for the checks: read once, judged by many."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

from . import contract
from .tree import FILE

RECORD = "facts.json"


@dataclass(slots=True)
class FileFact:
    """One path of HEAD. Counts of commits, lines and authors are those of the churn window."""

    path: str
    kind: str  # file | symlink | submodule
    executable: bool
    oid: str
    size: int  # bytes
    lines: int | None = None  # None when the content is binary or was too large to read
    binary: bool = False
    language: str = ""
    role: str = ""  # code | test | docs | data | generated | vendored
    commits: int = 0
    added: int = 0
    deleted: int = 0
    authors: int = 0
    last_changed: int | None = None  # seconds since 1970; None when the history read does not reach back so far

    @property
    def is_text(self) -> bool:
        """A regular file whose content is text and was read."""
        return self.kind == FILE and not self.binary and self.lines is not None


@dataclass(slots=True)
class Facts:
    """All that was measured. Author lists are (name, commits), most commits first."""

    window_days: int
    files: list[FileFact] = field(default_factory=list)
    commits: int = 0
    commits_limited: bool = False  # the history is longer than what was read
    first_commit: int | None = None  # seconds since 1970
    last_commit: int | None = None
    window_commits: int = 0
    window_since: int = 0  # seconds since 1970
    window_added: int = 0
    window_deleted: int = 0
    authors: list[tuple[str, int]] = field(default_factory=list)
    window_authors: list[tuple[str, int]] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Writes `facts.json`; a file is a list of its values, which halves the size."""
        record = {name.name: getattr(self, name.name) for name in fields(self)}
        contract.write_json(folder / RECORD, {**record, "files": [astuple(file) for file in self.files]})

    @classmethod
    def load(cls, folder: Path) -> Facts:
        """Reads what `save` wrote."""
        record: dict[str, Any] = contract.read_json(folder / RECORD)
        return cls(**{**record, "files": [FileFact(*values) for values in record["files"]]})


@dataclass(frozen=True, slots=True)
class Language:
    """One language's share of the repository's own text, tests included."""

    name: str
    files: int
    bytes: int
    lines: int
    share: float  # of all lines of code, 0 to 1

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)
