"""What the compiler says, in the words of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lsprotocol import types

from somagent.capsule_compiler.analysis import Completion, Hover, Symbol
from somagent.capsule_compiler.diagnostics.codes import code_of
from somagent.cli.lsp.explanations import Explanations
from somagent.cli.lsp.positions import Lines
from somagent.governance.documents import Diagnostic, Edit

SOURCE = "somagent"
_COMPLETIONS = {
    "key": types.CompletionItemKind.Property,
    "operator": types.CompletionItemKind.Module,
    "value": types.CompletionItemKind.EnumMember,
    "step": types.CompletionItemKind.Event,
    "field": types.CompletionItemKind.Field,
    "variable": types.CompletionItemKind.Variable,
    "function": types.CompletionItemKind.Function,
    "type": types.CompletionItemKind.Class,
}
_SYMBOLS = {
    "section": types.SymbolKind.Namespace,
    "step": types.SymbolKind.Event,
    "field": types.SymbolKind.Field,
    "type": types.SymbolKind.Class,
}


def diagnostic(one: Diagnostic, lines: Lines, uri: str, explanations: Explanations) -> types.Diagnostic:
    """A mistake with its code, the way out, and the other places that explain it."""
    code = code_of(one.name)
    said = [one.message, *([one.note] if one.note else []), *([f"help: {one.help}"] if one.help else [])]
    address = explanations.address(one.name)
    return types.Diagnostic(
        range=lines.range(one.span),
        message="\n".join(said),
        severity=types.DiagnosticSeverity.Error if code.severity == "error" else types.DiagnosticSeverity.Warning,
        code=code.number,
        code_description=types.CodeDescription(address) if address else None,
        source=SOURCE,
        related_information=[
            types.DiagnosticRelatedInformation(types.Location(uri, lines.range(label.span)), label.text)
            for label in one.labels
        ],
    )


def actions(
    found: Iterable[tuple[Diagnostic, types.Diagnostic]], wanted: types.Range, lines: Lines, uri: str
) -> list[types.CodeAction]:
    """The mends of the mistakes that touch a range."""
    start, end = lines.offset(wanted.start), lines.offset(wanted.end)
    return [
        types.CodeAction(
            title=one.edit.title,
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[shown],
            is_preferred=one.edit.safe,
            edit=workspace_edit([one.edit], lines, uri),
        )
        for one, shown in found
        if one.edit is not None and one.span.start <= end and start <= one.span.end
    ]


def workspace_edit(edits: Sequence[Edit], lines: Lines, uri: str) -> types.WorkspaceEdit:
    """Edits of one document."""
    return types.WorkspaceEdit(changes={uri: [types.TextEdit(lines.range(one.span), one.text) for one in edits]})


def hover(found: Hover, lines: Lines) -> types.Hover:
    """Code and text, as Markdown."""
    text = f"```\n{found.code}\n```" + (f"\n\n{found.text}" if found.text else "")
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), lines.range(found.span))


def completion(found: Completion, index: int, lines: Lines, *, snippets: bool) -> types.CompletionItem:
    """Something to choose; `index` keeps the order."""
    text = found.insert if snippets else found.label + (": " if found.kind in {"key", "operator"} else "")
    return types.CompletionItem(
        label=found.label,
        kind=_COMPLETIONS[found.kind],
        detail=found.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.Markdown, found.doc) if found.doc else None,
        sort_text=f"{index:05}",
        filter_text=found.label,
        insert_text_format=types.InsertTextFormat.Snippet if snippets else types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AdjustIndentation,
        text_edit=types.TextEdit(lines.range(found.span), text),
    )


def symbol(found: Symbol, lines: Lines) -> types.DocumentSymbol:
    """A line of the outline, with those below it."""
    return types.DocumentSymbol(
        name=found.name,
        detail=found.detail or None,
        kind=_SYMBOLS[found.kind],
        range=lines.range(found.span),
        selection_range=lines.range(found.name_span),
        children=[symbol(one, lines) for one in found.children],
    )
