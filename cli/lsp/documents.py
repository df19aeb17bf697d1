"""The open documents and what is known of each, worked out when somebody asks and kept until the next change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from msgspec import Struct, field
from pygls.uris import to_fs_path

from somagent.capsule_compiler.analysis import Analysis, Analyst
from somagent.capsule_compiler.analysis.schemas import Schemas
from somagent.capsule_compiler.draft import FileBeside, Given
from somagent.cli.checking import Checker, other_kind
from somagent.cli.lsp.positions import Lines
from somagent.governance.documents import Diagnostic, Source
from somagent.workflows import capsules

_OURS = "somagent.io/"


class Document(Struct):
    """An open document. `analysis` is of the text before a change until it is asked for anew."""

    uri: str
    text: str
    version: int | None
    analyst: Analyst
    analysis: Analysis | None = None
    diagnostics: Sequence[Diagnostic] = ()
    fresh: bool = False
    lines: dict[str, Lines] = field(default_factory=dict)


class Documents:
    """All open documents, checked as this installation and a constitution have it."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._open: dict[str, Document] = {}

    @cached_property
    def schemas(self) -> Schemas:
        """The schemas of places in capsules."""
        return Schemas(self._checker.installation.language)

    def open(self, uri: str, text: str, version: int | None) -> Document:
        """Takes a document in, or its next text."""
        known = self._open.get(uri)
        if known is None:
            known = self._open[uri] = Document(uri, text, version, Analyst())
        known.text, known.version, known.fresh = text, version, False
        known.lines.clear()
        return known

    def close(self, uri: str) -> None:
        """Forgets a document."""
        self._open.pop(uri, None)

    def get(self, uri: str) -> Document | None:
        """A document that is open, with what is known of its text as it is now."""
        document = self._open.get(uri)
        if document is not None and not document.fresh:
            self._check(document)
        return document

    def changed_beside(self) -> list[str]:
        """Files have changed, so nothing that was found out holds; the documents that are open."""
        for document in self._open.values():
            document.fresh = False
        return list(self._open)

    def lines(self, document: Document, encoding: str) -> Lines:
        """The lines of a document's text."""
        if encoding not in document.lines:
            document.lines[encoding] = Lines(document.text, encoding)
        return document.lines[encoding]

    def _check(self, document: Document) -> None:
        path = to_fs_path(document.uri)
        name, content = path or document.uri, document.text.encode("utf-8", "replace")
        source = Source(name, document.text)
        if _OURS not in document.text and not name.endswith(capsules.SUFFIX):
            document.analysis, document.diagnostics = None, ()
        elif other_kind(source):
            document.analysis, document.diagnostics = None, self._checker.content(name, content).diagnostics
        else:
            document.analysis = document.analyst.analyse(name, content, self._given(path))
            document.diagnostics = document.analysis.diagnostics
        document.fresh = True

    def _given(self, path: str | None) -> Given:
        installation = self._checker.installation
        if path:
            return capsules.given_at(Path(path), installation, self._checker.constitution)
        return Given(installation.language, self._checker.constitution, _nothing_beside, installation.packages)


def _nothing_beside(path: str) -> list[FileBeside]:
    raise FileNotFoundError(2, "a capsule that was not saved yet has no files beside it", path)
