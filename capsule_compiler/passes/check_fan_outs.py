"""A fan-out over a list of any length has no forecast: somebody has to say how long it can be."""

from __future__ import annotations

from collections.abc import Iterator

from somagent.capsule_compiler.draft import Draft, Expression
from somagent.governance.cel import write
from somagent.governance.documents import Diagnostic


def check_fan_outs(draft: Draft) -> Draft:
    """Reports fan-outs over lists whose length nothing bounds."""
    return draft.reporting(list(_unbounded(draft)))


def _unbounded(draft: Draft) -> Iterator[Diagnostic]:
    for name, items in draft.items.items():
        if items.bounded:
            continue
        step = draft.steps[name]
        for one in step.expressions:
            if one.use == "forEach" and one.key not in draft.untyped and not _over_another(draft, one):
                message = f"nothing bounds the number of items of `{step.id}`"
                help_ = f"say `maxItems` where `{write(one.expr)}` is declared: without it there is no forecast"
                (placed,) = draft.in_document(
                    one, [Diagnostic("unbounded-fan-out", message, one.expr.span, help=help_)]
                )
                yield placed


def _over_another(draft: Draft, one: Expression) -> bool:
    """Whether the list is that of another fan-out, where it has been said."""
    read = [reference.names[1] for reference in one.reads if reference.names[0] == "steps" and len(reference.names) > 1]
    return any(name in draft.steps and draft.steps[name].fan_out is not None for name in read)
