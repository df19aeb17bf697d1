"""What a check is given: the copy of the repository, what was measured of it, and one instant called now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from .facts import Facts, FileFact
from .git import Git
from .snapshot import Snapshot
from .text import decode_text, lines_of

TEXT_LIMIT = 2 << 20  # bytes; checks that read lines leave larger files alone


@dataclass
class Context:
    """A check reads from it and changes nothing. `history_limit` is in commits."""

    git: Git
    snapshot: Snapshot
    facts: Facts
    history_limit: int
    _texts: dict[str, str | None] = field(default_factory=dict)

    @cached_property
    def by_path(self) -> dict[str, FileFact]:
        """Every path of HEAD."""
        return {file.path: file for file in self.facts.files}

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder of HEAD, without a slash at the end; the root is ""."""
        found = {""}
        for path in self.by_path:
            while path := path.rpartition("/")[0]:
                if path in found:
                    break
                found.add(path)
        return frozenset(found)

    def texts(self, files: Iterable[FileFact]) -> Iterator[tuple[FileFact, str]]:
        """The same as text, whatever encoding the file declares."""
        for file, content in self.contents(files):
            yield file, decode_text(content)

    def contents(self, files: Iterable[FileFact]) -> Iterator[tuple[FileFact, bytes]]:
        """Each text file of at most `TEXT_LIMIT` with its bytes, read in one call of git and not kept."""
        wanted: dict[str, list[FileFact]] = {}
        for file in files:
            if file.is_text and file.size <= TEXT_LIMIT:
                wanted.setdefault(file.oid, []).append(file)
        for oid, content in self.git.blobs(wanted):
            for file in wanted[oid]:
                yield file, content

    def text(self, path: str) -> str | None:
        """One file's text, kept for the next asker; None when there is no such readable text file."""
        if path not in self._texts:
            file = self.by_path.get(path)
            read = [text for _, text in self.texts([file])] if file else []
            self._texts[path] = read[0] if read else None
        return self._texts[path]

    def lines(self, path: str) -> list[str]:
        """One file's lines; none when it cannot be read."""
        return lines_of(self.text(path) or "")

    def find(self, *names: str) -> str | None:
        """The first of the paths that HEAD has, compared without case."""
        lowered = self._lowered
        return next((lowered[name.lower()] for name in names if name.lower() in lowered), None)

    def has_above(self, folder: str, name: str) -> bool:
        """Whether the folder or one above it holds a file of that name; the root is ""."""
        while True:
            if (f"{folder}/{name}" if folder else name) in self.by_path:
                return True
            if not folder:
                return False
            folder = folder.rpartition("/")[0]

    @cached_property
    def _lowered(self) -> dict[str, str]:
        return {path.lower(): path for path in reversed(self.by_path)}
