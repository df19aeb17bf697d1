"""What means the same comes out the same: real runs of small random graphs, and of the same graph written otherwise.

Renaming steps, putting them in another order, laying the text out anew and moving some of them into a capsule of their
own keep every phase, output and verdict.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import somagent
from somagent.capsule_compiler.analysis import analyse, rename
from somagent.capsule_compiler.plan import canonical_json, plan_digest
from somagent.governance.constitution import default_constitution
from somagent.governance.documents import Source
from somagent.governance.documents.formatting import format_source
from somagent.workflows.capsules import compile_content, given_at, this_installation
from somagent.workflows.engines.protocol import RunView, StepView

RUNS = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
TEXTS = settings(RUNS, max_examples=25)
LETTERS = "abcdef"


@dataclass(frozen=True)
class Work:
    """A step: adds a number to those of the steps it reads, if one is even, once for each item, or in vain."""

    reads: tuple[int, ...]
    add: int
    guard: int | None = None
    items: bool = False
    fails: bool = False


Graph = tuple[Work, ...]


@st.composite
def graphs(draw: st.DrawFn, most: int = 4, *, failing: bool = False) -> Graph:
    steps: list[Work] = []
    for number in range(draw(st.integers(2, most))):
        before = st.sampled_from(range(number)) if number else st.nothing()
        reads = draw(st.lists(before, max_size=2, unique=True)) if number else []
        guard = draw(st.none() | before) if number else None
        items = guard is None and draw(st.booleans())
        fails = failing and draw(st.integers(0, 4)) == 0
        steps.append(Work(tuple(sorted(reads)), draw(st.integers(0, 3)), guard, items, fails))
    return tuple(steps)


def number_of(graph: Graph, step: int) -> str:
    """The step's number as an expression; 0 when it was skipped."""
    name = f"steps.{LETTERS[step]}"
    if graph[step].items:
        return f"{name}[0].sum + {name}[1].sum"
    return f"has({name}.sum) ? {name}.sum : 0" if graph[step].guard is not None else f"{name}.sum"


def step_of(graph: Graph, number: int, numbers: dict[int, str]) -> dict[str, Any]:
    """The step as a capsule has it; `numbers` are the expressions of what it may read."""
    work = graph[number]
    env = {f"V{read}": f"${{{{ {numbers[read]} }}}}" for read in work.reads}
    step: dict[str, Any] = {}
    if work.guard is not None:
        step["if"] = f"({numbers[work.guard]}) % 2 == 0"
    if work.items:
        step["forEach"] = "${{ [10, 20] }}"
        env["ITEM"] = "${{ item }}"
    total = " + ".join([str(work.add), *env])
    step["script"] = {"run": f'echo "sum=$(({total}))" >> "$SOMAGENT_OUTPUT"', "env": env}
    if work.fails:
        step["script"]["run"] += "; exit 1"
    step["outputs"] = {"sum": {"type": "integer"}}
    return step


def capsule(steps: dict[str, Any], outputs: dict[str, str], **more: Any) -> dict[str, Any]:
    head = {"apiVersion": "somagent.io/v1alpha1", "kind": "Capsule", "metadata": {"name": "graph"}}
    filled = {name: f"${{{{ {text} }}}}" for name, text in outputs.items()}
    return {**head, "spec": {**more, "steps": steps, "outputs": filled}}


def whole(graph: Graph) -> dict[str, Any]:
    """The graph as one capsule, which gives the number of every step."""
    numbers = {step: number_of(graph, step) for step in range(len(graph))}
    steps = {LETTERS[step]: step_of(graph, step, numbers) for step in range(len(graph))}
    last = {"script": {"run": "true", "env": {"PHASE": "${{ run.phase }}"}}}
    return capsule(steps, {f"of_{LETTERS[step]}": text for step, text in numbers.items()}, **{"finally": {"z": last}})


def split(graph: Graph, start: int, end: int) -> dict[str, dict[str, Any]]:
    """The same, with the steps from `start` up to `end` in a capsule of their own."""
    numbers = {step: number_of(graph, step) for step in range(len(graph))}
    inside = range(start, end)
    asked = {read for step in inside for read in (*graph[step].reads, graph[step].guard) if read is not None}
    given_ = sorted(read for read in asked if read not in inside)
    within = numbers | {read: f"inputs.x{read}" for read in given_}
    inner = capsule(
        {LETTERS[step]: step_of(graph, step, within) for step in inside},
        {f"n{step}": numbers[step] for step in inside},
        inputs={f"x{read}": {"type": "integer"} for read in given_},
    )
    outside = numbers | {step: f"steps.part.n{step}" for step in inside}
    arguments = {f"x{read}": f"${{{{ {numbers[read]} }}}}" for read in given_}
    steps: dict[str, Any] = {}
    for step in range(len(graph)):
        if step == start:
            steps["part"] = {"capsule": {"use": "part", "with": arguments}}
        if step not in inside:
            steps[LETTERS[step]] = step_of(graph, step, outside)
    outputs = {f"of_{LETTERS[step]}": text for step, text in outside.items()}
    outer = capsule(steps, outputs, uses={"capsules": {"part": "./part.capsule.yaml"}})
    return {"graph.capsule.yaml": outer, "part.capsule.yaml": inner}


def outcome(texts: dict[str, str], names: dict[str, str] | None = None) -> dict[str, Any]:
    """What a real run of `graph.capsule.yaml` comes to; `names` gives steps the names to be told by."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        view = somagent.run(Path(folder, "graph.capsule.yaml"), data_dir=Path(folder, "runs"), submitter="ada").view
    told: dict[str, Any] = {"": (view.phase, view.outputs)}
    for step in _steps(view):
        told[(names or {}).get(step.id, step.id)] = _told(step)
    return told


def _steps(view: RunView) -> list[StepView]:
    found = []
    for step in view.steps:
        found += _steps(step.inner) if step.inner is not None else [step]
    return found


def _told(step: StepView) -> Any:
    effect = step.verdict.effect if step.verdict is not None else None
    return step.phase, step.attempts, step.outputs, effect, [_told(item) for item in step.items]


def as_text(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


def compiled(text: str) -> Any:
    done = compile_content(Path("graph.capsule.yaml"), text.encode(), this_installation(), default_constitution())
    assert done.plan is not None, done.diagnostics
    return done.plan


def renamed(text: str, old: str, new: str) -> str:
    """The text after the rename of an editor."""
    path = Path("graph.capsule.yaml")
    analysis = analyse(path.name, text.encode(), given_at(path, this_installation(), default_constitution()))
    edits = rename(analysis, text.index(f"\n    {old}:\n") + 5, new)
    for edit in sorted(edits, key=lambda one: one.span, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


@RUNS
@given(graph=graphs(failing=True), data=st.data())
def test_renaming_every_step_keeps_the_outcome(graph, data):
    before = as_text(whole(graph))
    new = data.draw(st.permutations([f"step_{letter}" for letter in LETTERS[: len(graph)]]))
    after, names = before, {}
    for old, name in zip(LETTERS, new, strict=False):
        after, names[name] = renamed(after, old, name), old
    assert not any(f"steps.{letter}" in after for letter in LETTERS)
    assert outcome({"graph.capsule.yaml": after}, names) == outcome({"graph.capsule.yaml": before})


@RUNS
@given(graph=graphs(failing=True), data=st.data())
def test_the_order_of_steps_in_the_text_keeps_the_outcome(graph, data):
    document = whole(graph)
    other = json.loads(json.dumps(document))
    order = data.draw(st.permutations(list(document["spec"]["steps"])))
    other["spec"]["steps"] = {name: document["spec"]["steps"][name] for name in order}
    one, two = ({"graph.capsule.yaml": as_text(each)} for each in (document, other))
    assert outcome(one) == outcome(two)


@RUNS
@given(graph=graphs(), data=st.data())
def test_steps_in_a_capsule_of_their_own_have_the_same_outcome(graph, data):
    start = data.draw(st.integers(0, len(graph) - 1))
    end = data.draw(st.integers(start + 1, len(graph)))
    document = whole(graph)
    del document["spec"]["finally"]
    parts = {name: as_text(part) for name, part in split(graph, start, end).items()}
    assert outcome(parts) == outcome({"graph.capsule.yaml": as_text(document)})


@TEXTS
@given(graph=graphs(most=6), flow=st.booleans())
def test_the_layout_keeps_the_plan(graph, flow):
    document = whole(graph)
    text = json.dumps(document) if flow else yaml.safe_dump(document, sort_keys=False, indent=5, width=40)
    laid_out, mistakes = format_source(Source("graph.capsule.yaml", text))
    assert not mistakes
    assert laid_out != text
    assert plan_digest(compiled(laid_out)) == plan_digest(compiled(text))


@TEXTS
@given(graph=graphs(most=6), schema=st.sampled_from(["string", "integer", "boolean", "object", "number"]))
def test_an_input_that_nobody_reads_keeps_the_digest_of_the_nodes(graph, schema):
    document = whole(graph)
    before = compiled(as_text(document))
    document["spec"]["inputs"] = {"unread": {"type": schema}}
    after = compiled(as_text(document))
    assert plan_digest(after) != plan_digest(before)
    assert nodes(after) == nodes(before)


def nodes(plan: Any) -> bytes:
    """The bytes that the digest is made of, of the nodes alone."""
    return canonical_json({"nodes": msgspec.to_builtins(plan.nodes), "finals": msgspec.to_builtins(plan.finals)})


@pytest.mark.parametrize("graph", [(Work((), 2), Work((0,), 1, guard=0), Work((1,), 0, items=True), Work((2,), 3))])
def test_a_graph_of_this_file_does_what_it_says(graph):
    told = outcome({"graph.capsule.yaml": as_text(whole(graph))})
    assert told[""] == ("Succeeded", {"of_a": 2, "of_b": 3, "of_c": 36, "of_d": 39})
    assert [told[letter][0] for letter in "abcdz"] == ["Succeeded"] * 5
