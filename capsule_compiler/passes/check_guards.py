"""What may keep a step from running is thought of: skipped steps, gates that stay closed, the constitution's word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from msgspec import UNSET

from somagent.capsule_compiler.catalogue import REVIEWED_BY
from somagent.capsule_compiler.draft import Draft, Expression, StepDraft
from somagent.capsule_compiler.presence import NOTHING, present_if, unsure_reads
from somagent.governance.cel import references
from somagent.governance.constitution import Circumstances, judge_step, static_step_verdict
from somagent.governance.documents import HINTS, Diagnostic, Label, key_at
from somagent.governance.verdict import StaticVerdict


def check_guards(draft: Draft) -> Draft:
    """Nothing reads from a step that may be skipped without saying so; each step learns its static verdict."""
    if draft.capsule is None:
        return draft
    guards = {step.id: str(step.spec.if_) for step in draft.steps.values() if step.spec.if_ is not UNSET}
    found: list[Diagnostic] = []
    steps = {}
    for step in draft.steps.values():
        found += _unsure(draft, step, guards)
        found += _closed_gates(draft, step, guards)
        found += _unreviewed(draft, step)
        verdict, mistakes = _verdict(draft, step)
        found += mistakes
        steps[step.id] = replace(step, verdict=verdict)
    for one in draft.output_expressions:
        found += _report_unsure(draft, one, guards, NOTHING)
    return replace(draft.reporting(found), steps=steps)


def _unsure(draft: Draft, step: StepDraft, guards: Mapping[str, str]) -> Iterator[Diagnostic]:
    if not guards:
        return
    same = frozenset(name for name, guard in guards.items() if guard == guards.get(step.id))
    sure = {"if": NOTHING, "require": same, "forEach": same, "argument": same}
    for one in step.expressions:
        if one.use == "if":
            present = present_if(one.expr, value=True)
            sure = {use: NOTHING if use == "if" else known | present for use, known in sure.items()}
        elif one.use == "require":
            present = present_if(one.expr, value=True)
            sure = {use: known | present if use in {"forEach", "argument"} else known for use, known in sure.items()}
    for one in step.expressions:
        yield from _report_unsure(draft, one, guards, sure[one.use])


def _report_unsure(
    draft: Draft, one: Expression, guards: Mapping[str, str], known: frozenset[str]
) -> Iterator[Diagnostic]:
    if "steps" not in one.text:
        return
    for read in unsure_reads(one.expr, guards.keys(), known):
        step = draft.steps.get(read.step)
        if step is None:
            continue
        guard = key_at(draft.root, (*step.path, "if")) if draft.root is not None else None
        example = f"has(steps.{read.step})" if step.spec.for_each is not UNSET else f"has(steps.{read.step}.OUTPUT)"
        mistake = Diagnostic(
            "read-of-skippable",
            f"step `{read.step}` may have been skipped; say what happens then",
            read.span,
            help=f"write `{example} ? ... : DEFAULT`, or give this step the same `if`",
        )
        moved = draft.in_document(one.node, [mistake])[0]
        label = (Label(guard.span, f"`{read.step}` is skipped when this is false"),) if guard else ()
        yield replace(moved, labels=label)


def _closed_gates(draft: Draft, step: StepDraft, guards: Mapping[str, str]) -> Iterator[Diagnostic]:
    for need in step.needs:
        gate = draft.steps.get(need)
        if gate is None or need not in guards or not _is_gate(draft, gate):
            continue
        key = key_at(draft.root, (*gate.path, "if")) if draft.root is not None else None
        if key is not None:
            yield Diagnostic(
                "gate-may-skip",
                f"when gate `{need}` is skipped it stays closed, and `{step.id}` never runs",
                key.span,
                help="gates open on allow or approve only; a `review` with `verdict:` asks people only when it must",
            )


def _unreviewed(draft: Draft, step: StepDraft) -> Iterator[Diagnostic]:
    """A gate that leaves a verdict to a review, where no review reads it or a step goes on without that review."""
    entry = draft.given.language.catalogue.operators[step.operation.operator]
    for name, schema in entry.arguments.get("properties", {}).items():
        output = schema.get(HINTS, {}).get(REVIEWED_BY)
        if output is None or step.operation.arguments.get(name) != "pass":
            continue
        readers = {one.id for one in draft.steps.values() if _is_gate(draft, one) and _reads(one, step.id, output)}
        span = draft.span((*step.path, *step.operation.at, name))
        if not readers:
            help_ = f"add a `review` step with `verdict: ${{{{ steps.{step.id}.{output} }}}}`, or write `{name}: wait`"
            message = f"no review reads `steps.{step.id}.{output}`: a step that needs `{step.id}` goes on unreviewed"
            yield Diagnostic("verdict-unreviewed", message, span, help=help_)
            continue
        for one in draft.steps.values():
            if one.needs.get(step.id) == "order" and not readers.intersection(one.needs):
                index = one.spec.needs.index(step.id)
                yield Diagnostic(
                    "verdict-unreviewed",
                    f"step `{one.id}` needs `{step.id}` but not the review of its verdict",
                    draft.span((*one.path, "needs", index)),
                    labels=(Label(span, "leaves the verdict to a review"),),
                    help="add " + " or ".join(f"`{reader}`" for reader in sorted(readers)) + " to `needs`",
                )


def _is_gate(draft: Draft, step: StepDraft) -> bool:
    return draft.given.language.catalogue.operators[step.operation.operator].gate


def _reads(step: StepDraft, other: str, output: str) -> bool:
    wanted = ("steps", other, output)
    return any(ref.names[:3] == wanted for one in step.expressions for ref in references(one.expr))


def _verdict(draft: Draft, step: StepDraft) -> tuple[StaticVerdict, list[Diagnostic]]:
    if draft.capsule is None:
        return "depends", []
    circumstances = Circumstances(
        step=step.id,
        operator=step.operation.operator,
        gate=draft.given.language.catalogue.operators[step.operation.operator].gate,
        capsule=draft.capsule.metadata.name,
        package=draft.capsule.spec.package or "",
        version=draft.capsule.spec.version or "",
    )
    verdict = static_step_verdict(draft.given.constitution, circumstances)
    if verdict != "deny":
        return verdict, []
    said = judge_step(draft.given.constitution, circumstances)
    key = key_at(draft.root, (*step.path, step.operation.at[0])) if draft.root is not None else None
    mistake = Diagnostic(
        "denied-by-constitution",
        f"constitution `{draft.given.constitution.name}` denies step `{step.id}`: {'; '.join(said.because)}",
        key.span if key else draft.span(step.path),
        help="rules: " + ", ".join(f"`{rule}`" for rule in said.rules) if said.rules else "",
    )
    return verdict, [mistake]
