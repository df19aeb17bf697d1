"""A rule made ready: its condition parsed, checked, and turned into a function of bindings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from somagent.governance import cel
from somagent.governance.cel import BOOL, DYN, EvaluationError, SyntaxFault, Type
from somagent.governance.constitution.scopes import RUN_NAME
from somagent.governance.documents import Diagnostic, ScalarNode, Source, Span, in_document
from somagent.governance.verdict import Effect

Condition = Callable[[Mapping[str, Any]], Any]


class ReadyRule(Struct, frozen=True):
    """A rule whose condition is known to be boolean."""

    id: str
    effect: Effect
    because: str
    condition: Condition
    reads: frozenset[tuple[str, ...]]  # the names of the scope, as deep as the condition asks

    @property
    def reads_run(self) -> bool:
        """Whether it asks for anything that is known in a run only."""
        return any(names[0] == RUN_NAME for names in self.reads)

    @property
    def reads_step_id(self) -> bool:
        """Whether it can tell two steps of one kind apart."""
        return any(names in {("step",), ("step", "id")} for names in self.reads)


def condition_of(
    source: Source, node: ScalarNode, rule: str, scope: Mapping[str, Type]
) -> tuple[Condition | None, frozenset[tuple[str, ...]], list[Diagnostic]]:
    """The condition, what it reads, and what is wrong with it, placed in the source."""
    try:
        expr = cel.parse(node.text)
    except SyntaxFault as fault:
        return None, frozenset(), in_document(source, node, fault.diagnostics)
    checked = cel.check(expr, scope)
    diagnostics = in_document(source, node, checked.diagnostics)
    if not diagnostics and checked.type not in {BOOL, DYN}:
        message = f"`when` of rule `{rule}` is {cel.show(checked.type)}; it must be true or false"
        diagnostics.append(
            Diagnostic("constitution-when-not-bool", message, node.span, help="compare it with something")
        )
    if diagnostics:
        return None, frozenset(), diagnostics
    condition = cel.compile_expr(expr)
    reads = frozenset(reference.names for reference in cel.references(expr))
    return condition if checked.type == BOOL else _certainly_bool(condition, expr.span), reads, []


def _certainly_bool(condition: Condition, span: Span) -> Condition:
    """For an expression whose type shows only when it runs."""

    def checked(bindings: Mapping[str, Any]) -> bool:
        value = condition(bindings)
        if isinstance(value, bool):
            return value
        raise EvaluationError("the condition is neither true nor false", span)

    return checked
