"""What a case says, held against its capsule: an answer of another type than its step's would prove nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from somagent.capsule_compiler.diagnostics import CODES, code_of, is_error
from somagent.capsule_compiler.plan import Node, Plan
from somagent.governance.documents import Diagnostic, ScalarNode, in_document, node_at
from somagent.governance.documents import Path as Place
from somagent.operators.runner.artifacts import holds_artifacts, places_of_artifacts
from somagent.workflows.testing.answering import declares_end
from somagent.workflows.testing.assertions import check_assertion
from somagent.workflows.testing.check_answers import check_answer
from somagent.workflows.testing.mistakes import known_beside, misplaced, unknown
from somagent.workflows.testing.model import Answer, Case, Expect
from somagent.workflows.testing.reading import TestFile, Text
from somagent.workflows.testing.skeletons import skeleton
from somagent.workflows.testing.subject import Subject
from somagent.workflows.testing.values import artifact_faults, value_faults

FAULTS = frozenset({"test-unknown-step", "test-unknown-output", "test-unknown-input", "test-unknown-code"})


def check_shared(file: TestFile) -> Iterator[Diagnostic]:
    """Every mistake in what all cases have in common."""
    if file.subject.plan is None:
        return
    for address, answer in file.answers.items():
        yield from check_answer(file.text, address, answer, ("spec", "answers", address), file.subject)
    yield from _inputs(file.text, file.inputs, ("spec", "inputs"), file.subject.plan)


def check_case(file: TestFile, case: Case, place: Place, *, whole: bool = True) -> list[Diagnostic]:
    """Every mistake of a case; unless it is `whole`, nothing is said of what it may lack."""
    text, subject, expect = file.text, file.subject, case.expect
    found = [*_form_of_expect(text, expect, (*place, "expect"), whole=whole)]
    if expect.diagnostics is not UNSET:
        return found
    if subject.plan is None:
        count = sum(map(is_error, subject.diagnostics))
        first = next(one for one in subject.diagnostics if is_error(one))
        number, line = code_of(first.name).number, subject.source.position(first.span.start).line
        message = f"the capsule has {count} mistake{'s' * (count > 1)}, so the case cannot run"
        help_ = f"the first is {number} in line {line}: {first.message}; `somagent check` shows all"
        return [*found, Diagnostic("test-capsule-wrong", message, text.span((*place, "name")), help=help_)]
    for address, answer in case.answers.items():
        found += check_answer(text, address, answer, (*place, "answers", address), subject)
    if expect.refused is UNSET:
        found += _inputs(text, case.inputs, (*place, "inputs"), subject.plan)
    if whole:
        found += [*_no_inputs(file, case, place, subject.plan), *_missing(file, case, place)]
    found += _expected(text, expect, (*place, "expect"), subject, subject.plan)
    return found


def _form_of_expect(text: Text, expect: Expect, place: Place, *, whole: bool) -> Iterator[Diagnostic]:
    said = [
        name for name, value in msgspec.structs.asdict(expect).items() if value is not UNSET and value not in ({}, [])
    ]
    said = [name for name in said if name != "snapshot" or expect.snapshot]
    if expect.skipped == [] or expect.outputs == {} or expect.diagnostics == []:
        said.append("nothing of a kind")
    if whole and not said:
        yield Diagnostic(
            "test-expects-nothing",
            "the case expects nothing, so it cannot fail",
            text.key(place),
            help="say what is expected, at least `phase: Succeeded`",
        )
    alone = "diagnostics" if expect.diagnostics is not UNSET else "refused" if expect.refused is not UNSET else ""
    others = [name for name in said if name not in {alone, "nothing of a kind"}]
    if alone and others:
        word = "assert" if others[0] == "asserted" else others[0]
        yield Diagnostic(
            "test-answer-misplaced",
            f"with `{alone}` there is no run, so there is no `{word}` of it",
            text.key((*place, word)),
            help="make two cases of it",
        )
    if expect.diagnostics is UNSET:
        return
    for number, wanted in enumerate(expect.diagnostics):
        try:
            code_of(wanted.code)
        except KeyError:
            yield unknown(text, (*place, "diagnostics", number, "code"), wanted.code, _codes(), "code")


def _codes() -> list[str]:
    return [one for code in CODES for one in (code.number, code.name)]


def _inputs(text: Text, inputs: Mapping[str, Any], place: Place, plan: Plan) -> Iterator[Diagnostic]:
    """Inputs that no run would be given."""
    for name, value in inputs.items():
        schema, at = plan.inputs.get(name), (*place, name)
        if schema is None:
            yield unknown(text, at, name, plan.inputs, "input of the capsule")
        elif schema.get("type") != "secret":
            yield from value_faults(text, value, schema, plan.types, at, fault="test-input-wrong")


def _no_inputs(file: TestFile, case: Case, place: Place, plan: Plan) -> Iterator[Diagnostic]:
    if case.expect.refused is not UNSET:
        return
    given = file.inputs_of(case)
    for name, schema in plan.inputs.items():
        if name not in given and "default" not in schema:
            at = (*place, "inputs") if case.inputs else (*place, "name")
            message = f"the capsule needs the input `{name}`, and the case does not give it"
            help_ = f"write `{name}:` under `inputs`"
            yield Diagnostic("test-input-wrong", message, file.text.key(at), help=help_)


def _missing(file: TestFile, case: Case, place: Place) -> Iterator[Diagnostic]:
    """Steps that are sure to act outside of the run when it succeeds, and that nothing answers for, at any depth."""
    plan = file.subject.plan
    if plan is None or case.expect.phase != "Succeeded":
        return
    for address, owner, node in _unanswered(file.subject, plan, file.answers_of(case), ""):
        message = f"step `{address}` ({node.operator}) acts outside of the run, and the case has no answer for it"
        help_ = f"under `answers`, write `{address}: {skeleton(node, owner)}`"
        yield Diagnostic("test-answer-wrong", message, file.text.span((*place, "name")), help=help_)


def _unanswered(
    subject: Subject, plan: Plan, answers: Mapping[str, Answer], prefix: str
) -> Iterator[tuple[str, Plan, Node]]:
    for node in (*plan.nodes, *plan.finals):
        address = prefix + node.id
        answer = answers.get(address)
        if node.guard or node.fan_out is not None or (answer is not None and declares_end(answer)):
            continue
        if subject.needs_answer(node):
            yield address, plan, node
        elif node.capsule and subject.plan is not None:
            yield from _unanswered(subject, subject.plan.capsules[node.capsule], answers, f"{address}/")


def _expected(text: Text, expect: Expect, place: Place, subject: Subject, plan: Plan) -> Iterator[Diagnostic]:
    for address, step in expect.steps.items():
        inside = (*place, "steps", address)
        found = subject.place(address)
        if found is None:
            yield unknown(text, inside, address, known_beside(address, subject), "step")
            continue
        if step.items is not UNSET and found[1].fan_out is None:
            yield misplaced(text, (*inside, "items"), f"`{address}` is no fan-out step, so it has no items")
        if step.outputs is not UNSET:
            yield from _outputs(text, step.outputs, inside, found[1].outputs, f"output of step `{address}`")
        if not any(value is not UNSET for value in _members(step)):
            yield Diagnostic("test-expects-nothing", f"nothing is expected of `{address}`", text.key(inside))
    for number, address in enumerate(expect.skipped or ()):
        at = (*place, "skipped", number)
        if subject.place(address) is None:
            yield unknown(text, at, address, known_beside(address, subject), "step")
        elif "/" in address:
            message = f"`{address}` is inside a capsule step, and `skipped` lists the steps of this capsule"
            help_ = f"under `steps`, write `{address}: {{ phase: Skipped }}`"
            yield misplaced(text, at, message, help_)
    if expect.outputs is not UNSET:
        yield from _outputs(text, expect.outputs, place, plan.output_schemas, "output of the capsule")
    for number, written in enumerate(expect.asserted):
        node = node_at(text.root, (*place, "assert", number))
        if isinstance(node, ScalarNode):
            yield from in_document(text.source, node, check_assertion(written, subject.scope))


def _outputs(
    text: Text, wanted: Mapping[str, Any], place: Place, schemas: Mapping[str, Mapping[str, Any]], what: str
) -> Iterator[Diagnostic]:
    for name, value in wanted.items():
        at = (*place, "outputs", name)
        if name not in schemas:
            yield unknown(text, at, name, schemas, what)
        elif holds_artifacts(schemas[name]):
            for inside, artifact in places_of_artifacts(value, schemas[name]):
                yield from artifact_faults(text, artifact, (*at, *inside), expected=True)


def _members(part: Struct) -> list[Any]:
    return [getattr(part, name) for name in part.__struct_fields__]
