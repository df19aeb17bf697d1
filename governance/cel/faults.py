"""Every mistake an expression can hold has a stable name; what cannot be known before a run is an `EvaluationError`."""

from __future__ import annotations

from somagent.governance.documents import Diagnostic, Span

FAULTS = frozenset(
    {
        "empty-expression",
        "empty-hole",
        "expression-syntax",
        "expression-too-deep",
        "expression-too-long",
        "expression-unsupported",
        "has-argument",
        "invalid-literal",
        "invalid-pattern",
        "macro-variable",
        "map-key",
        "never-equal",
        "no-matching-overload",
        "reserved-word",
        "type-mismatch",
        "unclosed-hole",
        "unknown-member",
        "unknown-function",
        "unknown-name",
    }
)
"""Names of the diagnostics of this part; an `ObjectType` brings its own name for an unknown member."""


class SyntaxFault(Exception):
    """The text is not an expression (or not a template) of the language; `diagnostics` says where and why."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("; ".join(diagnostic.message for diagnostic in diagnostics))
        self.diagnostics = diagnostics


class EvaluationError(Exception):
    """A well-typed expression has no value for these bindings: overflow, a missing key, a wrong dynamic type.

    `span` is the part of the expression that failed.
    """

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
