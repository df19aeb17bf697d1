"""The server: which requests there are, and who answers them.

A fault in an answer is told to the client as an error of that request and logged to standard error; the server lives
on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from concurrent.futures import Future
from importlib.metadata import version
from typing import Any, BinaryIO

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from somagent.cli.checking import Checker
from somagent.cli.lsp.documents import Document, Documents
from somagent.cli.lsp.explanations import Explanations
from somagent.cli.lsp.positions import Lines

PAUSE = 0.12  # seconds without a keystroke after which mistakes are shown


class _Protocol(LanguageServerProtocol):
    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        """Prefers UTF-8, which needs the fewest conversions, to what else is offered."""
        general = params.capabilities.general
        if general is not None and general.position_encodings:
            general.position_encodings = sorted(
                general.position_encodings, key=lambda one: one != types.PositionEncodingKind.Utf8
            )
        return (yield from super().lsp_initialize(params))

    def _send_handler_result(self, future: Future[Any], *, msg_id: str | int) -> None:
        """Answers with a refusal as with any other answer: it is no fault to be logged."""
        refusal = None if future.cancelled() else future.exception()
        if isinstance(refusal, JsonRpcInvalidParams):
            self._request_futures.pop(msg_id, None)
            self._send_response(msg_id, error=refusal.to_response_error())
        else:
            super()._send_handler_result(future, msg_id=msg_id)


class Server(LanguageServer):
    """A language server with the documents that are open in the editor."""

    def __init__(self, checker: Checker) -> None:
        super().__init__(
            "somagent",
            version("somagent"),
            text_document_sync_kind=types.TextDocumentSyncKind.Full,
            protocol_cls=_Protocol,
        )
        self.documents = Documents(checker)
        self.explanations = Explanations()
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    @property
    def pulled(self) -> bool:
        """Whether the client asks for diagnostics itself; then they are not pushed, or it would show them twice."""
        capabilities = self.protocol.client_capabilities.text_document
        return capabilities is not None and capabilities.diagnostic is not None

    def document(self, uri: str) -> tuple[Document, Lines] | None:
        """An open document and its lines in the client's units."""
        document = self.documents.get(uri)
        return None if document is None else (document, self.documents.lines(document, self.encoding))

    @property
    def encoding(self) -> str:
        """The units of positions that were agreed on."""
        return str(getattr(self.workspace.position_encoding, "value", self.workspace.position_encoding))

    def check_soon(self, uri: str) -> None:
        """Shows the mistakes of a document once its writer makes a pause."""
        if self.pulled:
            return
        self.forget(uri)
        self._waiting[uri] = asyncio.get_running_loop().call_later(PAUSE, self._publish, uri)

    def forget(self, uri: str) -> None:
        """No check of this document is wanted any more."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()

    def diagnostics(self, document: Document, lines: Lines) -> list[types.Diagnostic]:
        """The mistakes of a document."""
        from somagent.cli.lsp.showing import diagnostic  # noqa: PLC0415

        return [diagnostic(one, lines, document.uri, self.explanations) for one in document.diagnostics]

    def _publish(self, uri: str) -> None:
        self._waiting.pop(uri, None)
        try:
            found = self.document(uri)
            if found is not None:
                document, lines = found
                params = types.PublishDiagnosticsParams(uri, self.diagnostics(document, lines), document.version)
                self.text_document_publish_diagnostics(params)
        except Exception as error:
            self.report_server_error(error, JsonRpcException)
            raise  # to the loop, which logs it


def serve(checker: Checker, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Answers a client until it goes. What plug-ins print goes to standard error."""
    from somagent.cli.lsp.features import register  # noqa: PLC0415

    server = Server(checker)
    register(server)
    sys.stdout = sys.stderr
    try:
        server.start_io(stdin, stdout)
    finally:
        server.explanations.close()
