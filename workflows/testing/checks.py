"""What a case says, held against its capsule: an answer of another type than its step's would prove nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs
import msgspec
from msgspec import UNSET, Struct

from somagent.capsule_compiler.diagnostics import code_of, is_error
from somagent.capsule_compiler.plan import Node, Plan
from somagent.governance.documents import Diagnostic, ScalarNode, in_document, nearest, node_at
from somagent.governance.documents import Path as Place
from somagent.workflows.testing.assertions import check_assertion
from somagent.workflows.testing.model import Answer, AttemptAnswer, Case, Expect, ItemAnswer
from somagent.workflows.testing.reading import Text
from somagent.workflows.testing.skeletons import skeleton
from somagent.workflows.testing.subject import Subject

FAULTS = frozenset({"test-unknown-step", "test-unknown-output", "test-unknown-code"})

_ENDS = ("outputs", "failure", "attempts", "items")


def check_case(text: Text, case: Case, place: Place, subject: Subject) -> list[Diagnostic]:
    """Every mistake of a case."""
    expect = case.expect
    found = [*_form_of_expect(text, expect, (*place, "expect"))]
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
        found += _answer(text, address, answer, (*place, "answers", address), subject)
    found += _missing(text, case, place, subject)
    found += _expected(text, expect, (*place, "expect"), subject, subject.plan)
    return found


def _form_of_expect(text: Text, expect: Expect, place: Place) -> Iterator[Diagnostic]:
    said = [
        name for name, value in msgspec.structs.asdict(expect).items() if value is not UNSET and value not in ({}, [])
    ]
    said = [name for name in said if name != "snapshot" or expect.snapshot]
    if expect.skipped == [] or expect.outputs == {} or expect.diagnostics == []:
        said.append("nothing of a kind")
    if not said:
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
            yield _unknown(text, (*place, "diagnostics", number, "code"), wanted.code, _codes(), "code")


def _codes() -> list[str]:
    from somagent.capsule_compiler.diagnostics import CODES  # noqa: PLC0415

    return [one for code in CODES for one in (code.number, code.name)]


def _unknown(text: Text, place: Place, name: str, known: Iterable[str], what: str) -> Diagnostic:
    """`what` is a step, an output of something, or a code."""
    known = list(known)
    near = nearest(name, known)
    kind, _, owner = what.partition(" ")
    listed = ", ".join(f"`{one}`" for one in known[:20])
    return Diagnostic(
        f"test-unknown-{kind}",
        f"there is no {kind} `{name}`{owner and f' {owner}'}",
        text.key(place) if isinstance(place[-1], str) and place[-1] == name else text.span(place),
        note=f"did you mean `{near}`?" if near else "",
        help="" if near or kind == "code" else f"{kind}s: {listed}" if listed else f"it has no {kind}s",
    )


def addresses(plan: Plan) -> list[str]:
    """The ids of all steps of a plan."""
    return [node.id for node in (*plan.nodes, *plan.finals)]


def _known(address: str, subject: Subject) -> list[str]:
    """What the address may have meant: steps beside the one named."""
    outer, slash, _ = address.rpartition("/")
    if not slash or subject.plan is None:
        return addresses(subject.plan) if subject.plan is not None else []
    node = subject.node(outer)
    inner = subject.plan.capsules.get(node.capsule) if node is not None else None
    return [f"{outer}/{one}" for one in addresses(inner)] if inner is not None else addresses(subject.plan)


def _answer(text: Text, address: str, answer: Answer, place: Place, subject: Subject) -> Iterator[Diagnostic]:
    node_of = subject.place(address)
    if node_of is None:
        yield _unknown(text, place, address, _known(address, subject), "step")
        return
    plan, node = node_of
    ends = [name for name in _ENDS if getattr(answer, name) is not UNSET]
    if not ends and answer.decisions is UNSET:
        yield _misplaced(text, place, f"the answer for `{address}` says nothing", f"write {skeleton(node, plan)}")
    if len(ends) > 1:
        message = f"an answer is one of {', '.join(f'`{name}`' for name in _ENDS)}; this one has {len(ends)}"
        yield _misplaced(text, (*place, ends[1]), message, "for several attempts, write them under `attempts`")
    if ends and not subject.takes_answer(node):
        message = f"`{address}` is a {node.operator} step: it always runs, and takes no `{ends[0]}`"
        help_ = "declare what people decide with `decisions`" if node.gate else "leave it out"
        yield _misplaced(text, (*place, ends[0]), message, help_)
        return
    if ends and "/" in address and node.capsule:
        message = f"`{address}` is a capsule inside a capsule, and runs really"
        yield _misplaced(text, (*place, ends[0]), message, f"answer for its steps, as `{address}/STEP`")
        return
    if answer.items is not UNSET and node.fan_out is None:
        yield _misplaced(text, (*place, "items"), f"`{address}` is no fan-out step", "write `outputs`")
    yield from _ends(text, answer, place, plan, node)
    for number, item in enumerate(answer.items or ()):
        inside = (*place, "items", number)
        ends = [name for name in ("outputs", "failure", "attempts") if getattr(item, name) is not UNSET]
        if len(ends) != 1:
            message = f"item {number} of `{address}` must have one of `outputs`, `failure`, `attempts`"
            yield Diagnostic("test-answer-misplaced", message, text.span(inside))
        yield from _ends(text, item, inside, plan, node)


def _ends(
    text: Text, answer: Answer | ItemAnswer | AttemptAnswer, place: Place, plan: Plan, node: Node
) -> Iterator[Diagnostic]:
    if answer.outputs is not UNSET:
        yield from _outputs(text, answer.outputs, (*place, "outputs"), plan, node)
    if not isinstance(answer, AttemptAnswer):
        for number, attempt in enumerate(answer.attempts or ()):
            inside = (*place, "attempts", number)
            if (attempt.outputs is UNSET) == (attempt.failure is UNSET):
                message = f"attempt {number + 1} must have one of `outputs` and `failure`"
                yield Diagnostic("test-answer-misplaced", message, text.span(inside))
            yield from _ends(text, attempt, inside, plan, node)


def _misplaced(text: Text, place: Place, message: str, help_: str = "") -> Diagnostic:
    return Diagnostic("test-answer-misplaced", message, text.key(place), help=help_)


def _outputs(
    text: Text, outputs: Mapping[str, Any], place: Place, plan: Plan, node: Node, *, whole: bool = True
) -> Iterator[Diagnostic]:
    for name, value in outputs.items():
        schema = node.outputs.get(name)
        if schema is None:
            yield _unknown(text, (*place, name), name, node.outputs, f"output of step `{node.id}`")
        elif schema.get("type") == "artifact":
            yield from _artifact(text, value, (*place, name))
        else:
            yield from _value(text, value, schema, plan.types, (*place, name))
    missing = [name for name in node.outputs if name not in outputs]
    if whole and missing:
        names = ", ".join(f"`{name}`" for name in missing)
        message = f"the answer of `{node.id}` lacks {names}"
        help_ = f"a step gives every output that it declares: {skeleton(node, plan)}"
        yield Diagnostic("test-answer-wrong", message, text.key(place), help=help_)


def _artifact(text: Text, value: Any, place: Place) -> Iterator[Diagnostic]:
    form = (
        isinstance(value, dict)
        and len({"text", "path"} & value.keys()) == 1
        and value.keys() <= {"text", "path", "name"}
    )
    if not form or not all(isinstance(part, str) for part in value.values()):
        message = f"`{place[-1]}` is an artifact"
        help_ = "write `{ text: ... }` with its content, or `{ path: ... }` of a file or folder beside this one"
        yield Diagnostic("test-answer-wrong", message, text.span(place), help=help_)
    elif "path" in value and not (text.path.parent / value["path"]).exists():
        message = f"there is no `{value['path']}` in the folder of this file"
        yield Diagnostic("test-answer-wrong", message, text.span((*place, "path")))
    elif "/" in value.get("name", "") or value.get("name") in {"", ".", ".."}:
        yield Diagnostic("test-answer-wrong", "the name of an artifact is one file name", text.span((*place, "name")))


def _value(
    text: Text, value: Any, schema: Mapping[str, Any], types: Mapping[str, Any], place: Place
) -> Iterator[Diagnostic]:
    validator = jsonschema_rs.Draft202012Validator(
        {**schema, "types": dict(types)}, pattern_options=jsonschema_rs.RegexOptions()
    )
    for error in validator.iter_errors(value):
        inside = (*place, *error.instance_path)
        names = ".".join(str(part) for part in inside[inside.index("outputs") + 1 :])
        yield Diagnostic(
            "test-answer-wrong", f"`{names}` is not of the declared type: {error.message[:240]}", text.span(inside)
        )


def _missing(text: Text, case: Case, place: Place, subject: Subject) -> Iterator[Diagnostic]:
    """Steps with an effect outside of the run that nothing answers for, at any depth."""
    if subject.plan is None or case.expect.refused is not UNSET:
        return
    for address, plan, node in unanswered(subject, subject.plan, case, ""):
        yield Diagnostic(
            "test-answer-wrong",
            f"step `{address}` ({node.operator}) acts outside of the run, and the case has no answer for it",
            text.span((*place, "name")),
            help=f"under `answers`, write `{address}: {skeleton(node, plan)}`; `--real` runs it instead",
        )


def unanswered(subject: Subject, plan: Plan, case: Case, prefix: str) -> Iterator[tuple[str, Plan, Node]]:
    """The steps that must be answered and are not."""
    for node in (*plan.nodes, *plan.finals):
        address = prefix + node.id
        answer = case.answers.get(address)
        if answer is not None and any(getattr(answer, name) is not UNSET for name in _ENDS):
            continue
        if subject.needs_answer(node):
            yield address, plan, node
        elif node.capsule and subject.plan is not None:
            yield from unanswered(subject, subject.plan.capsules[node.capsule], case, f"{address}/")


def _expected(text: Text, expect: Expect, place: Place, subject: Subject, plan: Plan) -> Iterator[Diagnostic]:
    for address, step in expect.steps.items():
        inside = (*place, "steps", address)
        found = subject.place(address)
        if found is None:
            yield _unknown(text, inside, address, _known(address, subject), "step")
            continue
        if step.items is not UNSET and found[1].fan_out is None:
            yield _misplaced(text, (*inside, "items"), f"`{address}` is no fan-out step, so it has no items")
        if step.outputs is not UNSET:
            for name in step.outputs:
                if name not in found[1].outputs:
                    at = (*inside, "outputs", name)
                    yield _unknown(text, at, name, found[1].outputs, f"output of step `{address}`")
        if not any(value is not UNSET for value in _members(step)):
            yield Diagnostic("test-expects-nothing", f"nothing is expected of `{address}`", text.key(inside))
    for number, address in enumerate(expect.skipped or ()):
        if subject.place(address) is None:
            known = _known(address, subject)
            yield _unknown(text, (*place, "skipped", number), address, known, "step")
    if expect.outputs is not UNSET:
        for name in expect.outputs:
            if name not in plan.outputs:
                yield _unknown(text, (*place, "outputs", name), name, plan.outputs, "output of the capsule")
    for number, written in enumerate(expect.asserted):
        node = node_at(text.root, (*place, "assert", number))
        if isinstance(node, ScalarNode):
            yield from in_document(text.source, node, check_assertion(written, subject.scope))


def _members(part: Struct) -> list[Any]:
    return [getattr(part, name) for name in part.__struct_fields__]
