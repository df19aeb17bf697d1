"""The answers: each a question of the protocol, put to the analysis of the document."""

from __future__ import annotations

from typing import Protocol

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from somagent.capsule_compiler import analysis
from somagent.cli.lsp import showing
from somagent.cli.lsp.positions import Lines
from somagent.cli.lsp.server import Server
from somagent.governance.documents import decode_source
from somagent.governance.documents.formatting import format_source

_TRIGGERS = [".", "{", " ", "[", '"', "'", "/"]


def register(server: Server) -> None:
    """Puts every answer into the server."""
    _text(server)
    _mistakes(server)
    _looking(server)
    _moving(server)
    _changing(server)


def _text(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        server.documents.open(document.uri, document.text, document.version)
        server.check_soon(document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        text = server.workspace.get_text_document(uri).source
        server.documents.open(uri, text, params.text_document.version)
        server.check_soon(uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.forget(uri)
        server.documents.close(uri)
        if not server.pulled:
            server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def did_save(_: types.DidSaveTextDocumentParams) -> None:
        for uri in server.documents.changed_beside():
            server.check_soon(uri)


def _mistakes(server: Server) -> None:
    @server.feature(
        types.TEXT_DOCUMENT_DIAGNOSTIC,
        types.DiagnosticOptions(inter_file_dependencies=True, workspace_diagnostics=False, identifier="somagent"),
    )
    def diagnostic(params: types.DocumentDiagnosticParams) -> types.RelatedFullDocumentDiagnosticReport:
        found = server.document(params.text_document.uri)
        items = server.diagnostics(*found) if found is not None else []
        return types.RelatedFullDocumentDiagnosticReport(items)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        found = server.document(params.text_document.uri)
        only = params.context.only
        if found is None or (only is not None and types.CodeActionKind.QuickFix not in only):
            return []
        document, lines = found
        pairs = zip(document.diagnostics, server.diagnostics(document, lines), strict=True)
        return showing.actions(pairs, params.range, lines, document.uri)


def _looking(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        known = _at(server, params)
        if known is None:
            return None
        found = analysis.hover(known[0], server.documents.schemas, known[1])
        return None if found is None else showing.hover(found, known[2])

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=_TRIGGERS))
    def completion(params: types.CompletionParams) -> types.CompletionList:
        known = _at(server, params)
        if known is None:
            return types.CompletionList(is_incomplete=False, items=[])
        found = analysis.completions(known[0], server.documents.schemas, known[1])
        snippets = _takes_snippets(server)
        items = [showing.completion(one, at, known[2], snippets=snippets) for at, one in enumerate(found)]
        return types.CompletionList(is_incomplete=False, items=items)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def document_symbol(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        found = server.document(params.text_document.uri)
        if found is None or found[0].analysis is None:
            return []
        known = found[0].analysis
        lines = found[1] if known.current else Lines(known.known.source.text, server.encoding)
        return [showing.symbol(one, lines) for one in analysis.symbols(known)]


def _moving(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(params: types.DefinitionParams) -> types.Location | None:
        known = _at(server, params)
        found = analysis.definition(known[0], known[1]) if known is not None else None
        if known is None or found is None:
            return None
        return types.Location(params.text_document.uri, known[2].range(found.span))

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def references(params: types.ReferenceParams) -> list[types.Location]:
        known = _at(server, params)
        if known is None:
            return []
        found = analysis.references_at(known[0], known[1])
        wanted = [one for one in found if not one.defines or params.context.include_declaration]
        return [types.Location(params.text_document.uri, known[2].range(one.span)) for one in wanted]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def highlight(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        known = _at(server, params)
        found = analysis.references_at(known[0], known[1]) if known is not None else []
        return [types.DocumentHighlight(known[2].range(one.span)) for one in found] if known is not None else []


def _changing(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        known = _at(server, params)
        if known is None:
            return None
        try:
            edits = analysis.rename(known[0], known[1], params.new_name)
        except analysis.NotRenamable as refusal:
            raise JsonRpcInvalidParams(str(refusal)) from None
        return showing.workspace_edit(edits, known[2], params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare_rename(params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
        known = _at(server, params)
        if known is None:
            return None
        try:
            found = analysis.renamable(known[0], known[1])
        except analysis.NotRenamable as refusal:
            raise JsonRpcInvalidParams(str(refusal)) from None
        return types.PrepareRenamePlaceholder(range=known[2].range(found.span), placeholder=found.meant.name)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        found = server.document(params.text_document.uri)
        if found is None:
            return []
        document, lines = found
        source, unreadable = decode_source(document.uri, document.text.encode("utf-8", "replace"))
        laid_out, _ = format_source(source) if not unreadable else (None, [])
        if laid_out is None or laid_out == document.text:
            return []
        return [types.TextEdit(lines.whole, laid_out)]


class _Pointing(Protocol):
    """What all questions about a place have in common."""

    text_document: types.TextDocumentIdentifier
    position: types.Position


def _at(server: Server, params: _Pointing) -> tuple[analysis.Analysis, int, Lines] | None:
    """The analysis of a document that is a capsule, and the offset that is asked about."""
    found = server.document(params.text_document.uri)
    if found is None or found[0].analysis is None:
        return None
    return found[0].analysis, found[1].offset(params.position), found[1]


def _takes_snippets(server: Server) -> bool:
    completion = getattr(server.protocol.client_capabilities.text_document, "completion", None)
    item = getattr(completion, "completion_item", None)
    return bool(getattr(item, "snippet_support", False))
