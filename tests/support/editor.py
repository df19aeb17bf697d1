"""A real editor's side of the language server: pygls' own client, and the real command as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from somagent_shell import COMMAND

Answer = TypeVar("Answer")
PATIENCE = 30  # seconds: far more than any answer takes


class Editor(LanguageClient):
    """One editor with one file open, named `demo.capsule.yaml` unless said otherwise."""

    def __init__(self, folder: Path) -> None:
        super().__init__("editor", "1")
        self.folder = folder
        self.uri = (folder / "demo.capsule.yaml").as_uri()
        self.published: list[types.PublishDiagnosticsParams] = []
        self.arrived = asyncio.Event()
        self.version = 0
        self.text = ""

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _(params: types.PublishDiagnosticsParams) -> None:
            self.published.append(params)
            self.arrived.set()

        @self.feature(types.WINDOW_SHOW_MESSAGE)
        def _(params: types.ShowMessageParams) -> None:
            raise AssertionError(params.message)

    async def begin(
        self, capabilities: types.ClientCapabilities | None = None, arguments: tuple[str, ...] = ()
    ) -> types.InitializeResult:
        await self.start_io(str(COMMAND), "lsp", *arguments, cwd=str(self.folder))
        wanted = capabilities or types.ClientCapabilities()
        result = await self.initialize_async(types.InitializeParams(capabilities=wanted, process_id=None))
        self.initialized(types.InitializedParams())
        return result

    async def end(self) -> int | None:
        await self.shutdown_async(None)
        self.exit(None)
        process = self._server
        assert process is not None
        await asyncio.wait_for(process.wait(), PATIENCE)
        await self.stop()
        return process.returncode

    def open(self, text: str, uri: str | None = None) -> None:
        self.uri, self.text = uri or self.uri, text
        self.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(self.uri, "yaml", self.version, text))
        )

    def change(self, text: str) -> None:
        self.version, self.text = self.version + 1, text
        self.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.version, self.uri),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def diagnostics(self) -> list[types.Diagnostic]:
        """Those of the text as it is now, once they are published."""
        while not any(one.uri == self.uri and one.version == self.version for one in self.published):
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), PATIENCE)
        return list(self.published[-1].diagnostics)

    @property
    def document(self) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri)

    def at(self, mark: str, plus: int = 0) -> types.Position:
        """The position of a piece of the text, in UTF-16 units."""
        before = self.text[: self.text.index(mark) + plus]
        line = before.rpartition("\n")[2]
        return types.Position(before.count("\n"), len(line.encode("utf-16-le")) // 2)

    def piece(self, range_: types.Range) -> str:
        """The text of a range that lies within a line of letters that are one unit each."""
        line = self.text.split("\n")[range_.start.line]
        assert range_.start.line == range_.end.line
        return line[range_.start.character : range_.end.character]

    async def complete(self, text: str, **capabilities: Any) -> list[types.CompletionItem]:
        """What is offered at `@@`."""
        where = text.index("@@")
        self.change(text.replace("@@", "", 1))
        line = text[:where].rpartition("\n")[2]
        position = types.Position(text[:where].count("\n"), len(line.encode("utf-16-le")) // 2)
        found = await self.text_document_completion_async(types.CompletionParams(self.document, position))
        assert isinstance(found, types.CompletionList)
        return list(found.items)


def in_editor(
    folder: Path,
    session: Callable[[Editor], Awaitable[Answer]],
    capabilities: types.ClientCapabilities | None = None,
    arguments: tuple[str, ...] = (),
) -> Answer:
    """Runs a session with a server of its own, which must end well."""

    async def whole() -> Answer:
        editor = Editor(folder)
        await editor.begin(capabilities, arguments)
        answer = await session(editor)
        assert await editor.end() == 0
        return answer

    return asyncio.run(_limited(whole()))


async def _limited(work: Coroutine[Any, Any, Answer]) -> Answer:
    return await asyncio.wait_for(work, 2 * PATIENCE)
