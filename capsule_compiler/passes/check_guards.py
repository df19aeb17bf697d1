"""What may keep a step from running is thought of: skipped steps, gates that stay closed, the constitution's word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import UNSET, Struct, structs
from msgspec.structs import replace

from somagent.capsule_compiler.absent_values import type_of_read, with_default
from somagent.capsule_compiler.draft import Draft, Expression, StepDraft
from somagent.capsule_compiler.gates import check_gates
from somagent.capsule_compiler.model.capsule import Capsule
from somagent.capsule_compiler.presence import NOTHING, SUCCEEDED, Unsure, present_if, unsure_reads
from somagent.governance.constitution import Circumstances, judge_step, static_step_verdict
from somagent.governance.documents import Diagnostic, Label
from somagent.governance.verdict import StaticVerdict


def check_guards(draft: Draft) -> Draft:
    """Nothing reads from a step that may have no outputs without saying so; each step learns its static verdict."""
    if draft.capsule is None:
        return draft
    doubts = _doubts(draft)
    found: list[Diagnostic] = []
    steps = {}
    judge = _Judge(draft, draft.capsule)
    for step in draft.steps.values():
        found += _unsure(draft, step, doubts)
        verdict = judge.verdict(step)
        if verdict == "deny":
            found.append(judge.denial(step))
        steps[step.id] = step if verdict == step.verdict else structs.replace(step, verdict=verdict)
    for one in draft.output_expressions:
        if _reads_any(one, doubts.guarded):
            found += _report_unsure(draft, one, doubts.guarded, NOTHING)
    found += check_gates(draft, doubts.guarded)
    return replace(draft.reporting(found), steps=steps)


class _Doubts(Struct, frozen=True):
    """Which steps may have no outputs, and when they surely have."""

    guarded: frozenset[str]
    unguarded: frozenset[str]
    of_finals: frozenset[str]
    alike: Mapping[str, frozenset[str]]  # steps with the same `if`, by its text


def _doubts(draft: Draft) -> _Doubts:
    alike: dict[str, set[str]] = {}
    unguarded: set[str] = set()
    for step in draft.steps.values():
        if step.spec.if_ is not UNSET:
            alike.setdefault(step.spec.if_.strip(), set()).add(step.id)
        elif not step.final:
            unguarded.add(step.id)
    return _Doubts(
        guarded=frozenset(name for names in alike.values() for name in names),
        unguarded=frozenset(unguarded),
        of_finals=frozenset(draft.steps),
        alike={text: frozenset(names) for text, names in alike.items()},
    )


def _unsure(draft: Draft, step: StepDraft, doubts: _Doubts) -> Iterator[Diagnostic]:
    doubtful = doubts.of_finals if step.final else doubts.guarded
    reading = [one for one in step.expressions if _reads_any(one, doubtful)]
    if not reading:
        return
    known = {"if": NOTHING, "require": NOTHING, "forEach": NOTHING, "argument": NOTHING}
    if not step.final and step.spec.if_ is not UNSET:
        same = doubts.alike[step.spec.if_.strip()]
        known = {use: NOTHING if use == "if" else same for use in known}
    for one in step.expressions:
        if one.use in {"if", "require"}:
            present = present_if(one.expr, value=True)
            if SUCCEEDED in present:
                present |= doubts.unguarded
            later = known.keys() - ({"if"} if one.use == "if" else {"if", "require"})
            known = {use: names | present if use in later else names for use, names in known.items()}
    for one in reading:
        yield from _report_unsure(draft, one, doubtful, known[one.use])


def _report_unsure(
    draft: Draft, one: Expression, doubtful: frozenset[str], known: frozenset[str]
) -> Iterator[Diagnostic]:
    if one.key in draft.untyped:
        return
    for read in unsure_reads(one.expr, doubtful, known):
        step = draft.steps.get(read.step)
        if step is not None and step.id not in draft.broken:
            yield _may_lack_outputs(draft, one, read, step)


def _reads_any(one: Expression, doubtful: frozenset[str]) -> bool:
    for reference in one.reads:
        names = reference.names
        if len(names) > 1 and names[1] in doubtful and names[0] == "steps":
            return True
    return False


def _may_lack_outputs(draft: Draft, one: Expression, read: Unsure, step: StepDraft) -> Diagnostic:
    reader = draft.steps.get(one.step)
    guarded = step.spec.if_ is not UNSET
    help_ = _default(draft, one, read, step)
    if reader is not None and reader.final and not guarded:
        message = f"step `{read.step}` may have failed: `finally` runs however the run ends; say what happens then"
        help_ += ', or give this step `if: run.phase == "Succeeded"`' if reader.spec.if_ is UNSET else ""
    else:
        message = f"step `{read.step}` may have been skipped; say what happens then"
        help_ += ", or give this step the same `if`" if reader is not None and not reader.final else ""
    moved = draft.in_document(one, [Diagnostic("read-of-skippable", message, read.span, help=help_)])[0]
    label = Label(draft.key_span((*step.path, "if")), f"`{read.step}` is skipped when this is false")
    return replace(moved, labels=(label,)) if guarded else moved


def _default(draft: Draft, one: Expression, read: Unsure, step: StepDraft) -> str:
    reference = next(ref for ref in one.reads if len(ref.names) > 1 and ref.spans[1] == read.span)
    asked = f"steps.{read.step}"
    if step.spec.for_each is UNSET and len(reference.names) > 2:
        asked += f".{reference.names[2]}"
    written = with_default(draft, one, reference.span, asked, type_of_read(draft, one, reference))
    if written:
        return f"write `{written}`"
    return f"only another artifact can stand for it: `has({asked}) ? {asked} : steps.OTHER.ARTIFACT`"


class _Judge:
    """What the constitution says of steps before a run, worked out once for all that no rule tells apart."""

    def __init__(self, draft: Draft, capsule: Capsule) -> None:
        self._draft, self._capsule = draft, capsule
        self._by_id = draft.given.constitution.asks_for_ids
        self._known: dict[tuple[str, str, bool], StaticVerdict] = {}

    def verdict(self, step: StepDraft) -> StaticVerdict:
        if step.id in self._draft.broken:
            return "allow"  # what it does is not known
        alike = (step.id if self._by_id else "", step.operation.operator, self._draft.entry(step).gate)
        verdict = self._known.get(alike)
        if verdict is None:
            verdict = static_step_verdict(self._draft.given.constitution, self._circumstances(step))
            self._known[alike] = verdict
        return verdict

    def denial(self, step: StepDraft) -> Diagnostic:
        constitution = self._draft.given.constitution
        said = judge_step(constitution, self._circumstances(step))
        return Diagnostic(
            "denied-by-constitution",
            f"constitution `{constitution.name}` denies step `{step.id}`: {'; '.join(said.because)}",
            self._draft.key_span((*step.path, step.operation.at[0])),
            help="rules: " + ", ".join(f"`{rule}`" for rule in said.rules) if said.rules else "",
        )

    def _circumstances(self, step: StepDraft) -> Circumstances:
        return Circumstances(
            step=step.id,
            operator=step.operation.operator,
            gate=self._draft.entry(step).gate,
            capsule=self._capsule.metadata.name,
            package=self._capsule.spec.package or "",
            version=self._capsule.spec.version or "",
        )
