"""A run held against what its case expects: every difference, with both sides and its place in the file of tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, field

from somagent.capsule_compiler.diagnostics import code_of
from somagent.governance.cel import BorderError
from somagent.governance.documents import Path as Place
from somagent.governance.documents import node_at
from somagent.operators.runner.artifacts import holds_artifacts, places_of_artifacts
from somagent.operators.runner.contents import Contents
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.testing.artifacts import artifact_difference
from somagent.workflows.testing.assertions import bindings_of, failed_assertion
from somagent.workflows.testing.model import Case, ExpectedDiagnostic, ExpectedStep
from somagent.workflows.testing.reading import CASES, TestFile
from somagent.workflows.testing.skeletons import skeleton
from somagent.workflows.testing.snapshots import compare_snapshot

CONTENTS = "contents"  # where an engine keeps them, in its folder
_NOTHING = object()


class Ran(Struct, frozen=True):
    """How far a case came: a run, or why there is none."""

    view: RunView | None
    refused: tuple[str, ...] = ()  # what is wrong with the inputs
    fault: str = ""  # of the engine
    notes: tuple[str, ...] = ()  # decisions that did not count, answers that nothing asked for
    answered: tuple[str, ...] = ()  # addresses of steps that were not real
    unanswered: Mapping[str, str] = field(default_factory=dict)  # steps that it should have answered for, and why


class Difference(Struct, frozen=True):
    """Something that is not as expected."""

    line: int  # in the file of tests
    what: str
    expected: str = ""
    actual: str = ""


class Judged(Struct, frozen=True):
    """All that is not as expected, and what helps to understand it."""

    failures: tuple[Difference, ...]
    notes: tuple[str, ...] = ()


def judge(file: TestFile, number: int, ran: Ran, folder: str, *, update_snapshots: bool) -> Judged:
    """The differences of one case; `folder` is where its run is kept."""
    case = file.cases[number]
    place: Place = (*CASES, number, "expect")
    found: list[Difference]
    if case.expect.diagnostics is not UNSET:
        found = [*_diagnostics(file, case.expect.diagnostics, (*place, "diagnostics"))]
    elif case.expect.refused is not UNSET:
        found = [*_refused(file, case.expect.refused, ran, (*place, "refused"))]
    elif ran.view is None:
        why = "\n".join(ran.refused) or ran.fault
        found = [Difference(file.text.line(place), "there is no run", actual=why)]
    elif ran.unanswered:
        found = sorted(_unanswered(file, ran, (*CASES, number)), key=lambda one: one.line)
    elif ran.fault:
        found = [Difference(file.text.line(place), ran.fault)]
    else:
        found = [*_run(file, case, ran.view, place, Contents(Path(folder) / CONTENTS))]
        if case.expect.snapshot:
            said = compare_snapshot(file, case, ran.view, folder, update=update_snapshots)
            found += [Difference(file.text.line((*place, "snapshot")), *said)] if said else []
    notes = (*ran.notes, *(_why(ran.view) if found and ran.view is not None and not ran.unanswered else ()))
    return Judged(tuple(found), notes)


def _unanswered(file: TestFile, ran: Ran, place: Place) -> Iterator[Difference]:
    for address, why in ran.unanswered.items():
        at = (*place, "answers", address)
        found = file.subject.place(address)
        said = f"`{address}: {skeleton(found[1], found[0])}`" if found is not None else "an answer"
        line = file.text.line(at if node_at(file.text.root, at) is not None else (*place, "name"))
        yield Difference(line, f"step `{address}`: {why}", f"{said} under `answers`")


def _diagnostics(file: TestFile, wanted: list[ExpectedDiagnostic], place: Place) -> Iterator[Difference]:
    source = file.subject.source
    actual = [(code_of(one.name).number, source.position(one.span.start).line) for one in file.subject.diagnostics]
    left = list(actual)
    unmet = []
    for one in sorted(wanted, key=lambda one: one.line is UNSET):
        number = code_of(one.code).number
        match = next((it for it in left if it[0] == number and one.line in (UNSET, it[1])), None)
        if match is None:
            unmet.append(one)
        else:
            left.remove(match)
    if unmet or left:
        shown = [_code(code_of(one.code).number, None if one.line is UNSET else one.line) for one in wanted]
        yield Difference(
            file.text.line(place),
            "the capsule's diagnostics",
            ", ".join(shown) or "none",
            ", ".join(_code(*one) for one in actual) or "none",
        )


def _code(number: str, line: int | None) -> str:
    return number if line is None else f"{number} in line {line}"


def _refused(file: TestFile, wanted: str, ran: Ran, place: Place) -> Iterator[Difference]:
    said = "\n".join(ran.refused)
    if ran.view is not None or wanted not in said:
        actual = said or f"they were accepted, and the run is {ran.view.phase if ran.view else ran.fault}"
        yield Difference(file.text.line(place), "the inputs are refused", wanted, actual)


def _run(file: TestFile, case: Case, view: RunView, place: Place, contents: Contents) -> Iterator[Difference]:
    expect, line = case.expect, file.text.line
    if expect.phase is not UNSET and view.phase != expect.phase:
        yield Difference(line((*place, "phase")), "phase", expect.phase, view.phase)
    said = view.failure.message if view.failure is not None else ""
    if expect.message is not UNSET and expect.message not in said:
        yield Difference(line((*place, "message")), "the run's failure says", expect.message, said or "nothing")
    if expect.outputs is not UNSET:
        given = _Given(view.outputs, view.plan.output_schemas, contents)
        yield from _outputs(file, expect.outputs, given, (*place, "outputs"))
        for name in view.outputs.keys() - expect.outputs.keys():
            value = as_text(view.outputs[name])
            yield Difference(line((*place, "outputs")), f"output `{name}`", "nothing", value)
    for address, wanted in expect.steps.items():
        found = step_at(view, address)
        inside = (*place, "steps", address)
        if found is None:
            yield Difference(line(inside), f"step `{address}`", actual="its capsule was not run")
            continue
        yield from _step(file, address, wanted, found, inside)
        node = file.subject.node(address)
        if wanted.outputs is not UNSET and node is not None:
            given = _Given(found.outputs, node.outputs, contents)
            yield from _outputs(file, wanted.outputs, given, (*inside, "outputs"), f" of `{address}`")
    if expect.skipped is not UNSET:
        skipped = sorted(step.id for step in view.steps if step.phase == "Skipped")
        if skipped != sorted(expect.skipped):
            names = ", ".join(sorted(expect.skipped))
            yield Difference(line((*place, "skipped")), "skipped steps", names or "none", ", ".join(skipped) or "none")
    if expect.asserted:
        yield from _asserted(file, expect.asserted, view, (*place, "assert"))


def _asserted(file: TestFile, texts: list[str], view: RunView, place: Place) -> Iterator[Difference]:
    try:
        bindings = bindings_of(view)
    except BorderError as fault:
        yield Difference(file.text.line(place), "assert", actual=str(fault))
        return
    for number, text in enumerate(texts):
        why = failed_assertion(text, bindings)
        if why:
            at = file.text.source.position(file.text.span((*place, number)).start).line
            yield Difference(at, "assert", text, why)


def step_at(view: RunView, address: str) -> StepView | None:
    """The step of an address; of several runs of a capsule, the first."""
    *outer, last = address.split("/")
    for name in outer:
        step = next((step for step in view.steps if step.id == name), None)
        inner = [one.inner for one in (step.items or [step] if step is not None else []) if one.inner is not None]
        if not inner:
            return None
        view = inner[0]
    return next((step for step in view.steps if step.id == last), None)


def _step(file: TestFile, address: str, wanted: ExpectedStep, step: StepView, place: Place) -> Iterator[Difference]:
    failure = step.failure if step.phase not in {"Succeeded", "Skipped"} else None
    actual = {
        "phase": step.phase,
        "attempts": step.attempts,
        "items": len(step.items),
        "verdict": step.verdict.effect if step.verdict is not None else "none",
        "failure": failure.failure_class if failure is not None else "none",
    }
    for name, value in actual.items():
        expected = getattr(wanted, name)
        if expected is not UNSET and expected != value:
            yield Difference(file.text.line((*place, name)), f"{name} of `{address}`", str(expected), str(value))
    said = failure.message if failure is not None else ""
    if wanted.message is not UNSET and wanted.message not in said:
        at = file.text.line((*place, "message"))
        yield Difference(at, f"the failure of `{address}` says", wanted.message, said or "nothing")


class _Given(NamedTuple):
    """Outputs that a run gave, their schemas, and where artifacts are."""

    outputs: Mapping[str, Any]
    schemas: Mapping[str, Mapping[str, Any]]
    contents: Contents


def _outputs(
    file: TestFile, wanted: Mapping[str, Any], given: _Given, place: Place, owner: str = ""
) -> Iterator[Difference]:
    for name, value in wanted.items():
        found = given.outputs.get(name, _NOTHING)
        schema = given.schemas[name]
        artifacts = dict(places_of_artifacts(value, schema)) if holds_artifacts(schema) else {}
        there = dict(places_of_artifacts(found, schema)) if artifacts else {}
        if not same(_blank(value, artifacts), _blank(found, artifacts)):
            expected, actual = as_text(value), "nothing" if found is _NOTHING else as_text(found)
            yield Difference(file.text.line((*place, name)), f"output `{name}`{owner}", expected, actual)
            continue
        for inside, wanted_one in artifacts.items():
            expected, actual = artifact_difference(
                wanted_one, there.get(inside, _NOTHING), file.text.path.parent, given.contents
            )
            if expected or actual:
                called = ".".join(map(str, (name, *inside)))
                yield Difference(file.text.line((*place, name, *inside)), f"output `{called}`{owner}", expected, actual)


def _blank(value: Any, places: Collection[tuple[str | int, ...]]) -> Any:
    """The value with nothing at some places of it."""
    if () in places:
        return None
    inside: dict[str | int, list[tuple[str | int, ...]]] = {}
    for first, *rest in places:
        inside.setdefault(first, []).append(tuple(rest))
    if isinstance(value, list):
        return [_blank(member, inside[at]) if at in inside else member for at, member in enumerate(value)]
    if isinstance(value, dict):
        return {at: _blank(member, inside[at]) if at in inside else member for at, member in value.items()}
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same: 1 and 1.0 are, 1 and true are not."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def as_text(value: Any) -> str:
    """A value as JSON; over several lines when it is long."""
    short = msgspec.json.encode(value, order="sorted")
    return (short if len(short) <= 80 else msgspec.json.format(short, indent=2)).decode()


def _why(view: RunView) -> Iterator[str]:
    """Why steps failed, each in a line, for whoever looks at a failed case."""
    for step in view.steps:
        if step.phase == "Failed" and step.failure is not None:
            yield f"`{step.id}` failed ({step.failure.failure_class}): {step.failure.message}"
        elif step.phase == "Waiting" and step.waiting is not None:
            yield f"`{step.id}` waits for people: {step.waiting.title}; `decisions` of an answer decide"
    for message, times in Counter(view.warnings).items():
        yield message if times == 1 else f"{message} ({times} times)"
