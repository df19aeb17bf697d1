"""Gates open on allow or approve only: what follows from that for the steps around them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from somagent.capsule_compiler.catalogue import REVIEWED_BY, UNASKED
from somagent.capsule_compiler.draft import Draft, StepDraft
from somagent.governance.documents import Diagnostic, Label


def check_gates(draft: Draft, guarded: Collection[str]) -> Iterator[Diagnostic]:
    """Gates that may be skipped, and verdicts that are left to a review which nobody holds."""
    followers: dict[str, list[StepDraft]] = {}
    for step in draft.steps.values():
        for need in step.needs:
            followers.setdefault(need, []).append(step)
    for gate in draft.steps.values():
        entry = draft.entry(gate)
        after = followers.get(gate.id, ())
        if entry.gate and gate.id in guarded and after:
            names = ", ".join(f"`{step.id}`" for step in after[:5]) + (", ..." if len(after) > 5 else "")
            yield Diagnostic(
                "gate-may-skip",
                f"when gate `{gate.id}` is skipped it stays closed: {names} never run{'s' * (len(after) == 1)} then",
                draft.key_span((*gate.path, "if")),
                help="gates open on allow or approve only; a `review` with `verdict:` asks people only when it must",
            )
        if entry.answered and gate.spec.outputs:
            yield from _answers(draft, gate)
        arguments: Any = gate.operation.arguments
        for name, output in draft.hinted(gate, REVIEWED_BY):
            if arguments.get(name) == "pass":
                yield from _unreviewed(draft, gate, name, output, after)


def _answers(draft: Draft, gate: StepDraft) -> Iterator[Diagnostic]:
    """Outputs that people give: values, under names that are free, and by people who are asked in any case."""
    entry, names = draft.entry(gate), ", ".join(f"`{name}`" for name in gate.spec.outputs)
    for name, schema in gate.spec.outputs.items():
        path = (*gate.path, "outputs", name)
        if name in entry.outputs:
            message = f"an output cannot be called `{name}`: a {entry.name} step gives that itself"
            help_ = f"call it something else, such as `{name}_given`"
            yield Diagnostic("reserved-output", message, draft.key_span(path), help=help_)
        if schema.type == "artifact":
            message = f"people give values when they decide, so `{name}` cannot be an artifact"
            help_ = "let them give its name or address as text"
            yield Diagnostic("artifact-from-people", message, draft.span((*path, "type")), help=help_)
    arguments: Any = gate.operation.arguments
    for name, asked in draft.hinted(gate, UNASKED):
        if name in arguments and (asked is True or arguments[name] != asked):
            message = f"with `{name}`, `{gate.id}` may open although nobody decided; then nobody gives {names}"
            help_ = f"remove `{name}`, or let a review of its own ask for {names}"
            span = draft.key_span((*gate.path, *gate.operation.at, name))
            yield Diagnostic("outputs-of-nobody", message, span, help=help_)


def _unreviewed(
    draft: Draft, gate: StepDraft, argument: str, output: str, after: Sequence[StepDraft]
) -> Iterator[Diagnostic]:
    """A gate that leaves its verdict to a review, where none reads it or a step goes on without that review."""
    readers = {one.id for one in after if _is_gate(draft, one) and _reads(one, gate.id, output)}
    span = draft.span((*gate.path, *gate.operation.at, argument))
    if not readers:
        help_ = f"add a `review` step with `verdict: ${{{{ steps.{gate.id}.{output} }}}}`, or write `{argument}: wait`"
        message = f"no review reads `steps.{gate.id}.{output}`: a step that needs `{gate.id}` goes on unreviewed"
        yield Diagnostic("verdict-unreviewed", message, span, help=help_)
        return
    for one in after:
        if one.needs[gate.id] == "order" and not readers.intersection(one.needs):
            yield Diagnostic(
                "verdict-unreviewed",
                f"step `{one.id}` needs `{gate.id}` but not the review of its verdict",
                draft.span((*one.path, "needs", one.spec.needs.index(gate.id))),
                labels=(Label(span, "leaves the verdict to a review"),),
                help="add " + " or ".join(f"`{reader}`" for reader in sorted(readers)) + " to `needs`",
            )


def _is_gate(draft: Draft, step: StepDraft) -> bool:
    return draft.entry(step).gate


def _reads(step: StepDraft, other: str, output: str) -> bool:
    wanted = ("steps", other, output)
    return any(reference.names[:3] == wanted for one in step.expressions for reference in one.reads)
