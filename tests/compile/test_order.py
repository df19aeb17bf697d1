"""References are edges; the order is found, and where there is none the whole circle is shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somagent.capsule_compiler.plan import Plan

Planned = Callable[..., Plan]
Mistakes = Callable[..., list[tuple[str, str]]]


def step(name: str, reads: tuple[str, ...] = (), needs: tuple[str, ...] = ()) -> str:
    env = ", ".join(f"{other.upper()}: '${{{{ steps.{other}.v }}}}'" for other in reads)
    return (
        f"    {name}: {{ needs: [{', '.join(needs)}], script: {{ run: x, env: {{ {env} }} }}, "
        "outputs: { v: { type: integer } } }\n"
    )


def edges(plan: Plan) -> dict[str, list[tuple[str, str]]]:
    return {node.id: [(edge.step, edge.kind) for edge in node.needs] for node in plan.nodes}


def test_references_in_every_field_are_edges(planned: Planned) -> None:
    plan = planned(
        "  steps:\n"
        + "".join(step(name) for name in ("a", "b", "c", "d", "e"))
        + """\
    last:
      needs: [e, a]
      if: steps.a.v > 1
      require: has(steps.b.v)
      forEach: ${{ [steps.c.v] }}
      script: { run: x, env: { A: "text ${{ steps.d.v }} and ${{ item }}" } }
"""
    )
    assert edges(plan)["last"] == [("a", "data"), ("b", "data"), ("c", "data"), ("d", "data"), ("e", "order")]


def test_ties_are_settled_by_the_order_of_the_text(planned: Planned) -> None:
    text = step("d", ("a",)) + step("c") + step("b", (), ("c",)) + step("a")
    assert [node.id for node in planned("  steps:\n" + text).nodes] == ["c", "b", "a", "d"]


def test_steps_of_finally_keep_the_order_of_the_text_and_wait_for_nothing(planned: Planned) -> None:
    finals = (
        "  finally:\n    q: { script: { run: x } }\n    b: { script: { run: x, env: { A: '${{ has(steps.a) }}' } } }\n"
    )
    plan = planned("  steps:\n" + step("a") + finals)
    assert [(node.id, node.needs) for node in plan.finals] == [("q", []), ("b", [])]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([("a", ("a",))], "step `a` reads its own output"),
        ([("a", ("b",)), ("b", ("a",))], "steps wait for each other: `a` -> `b` -> `a`"),
        (
            [("x", ("c",)), ("c", ("b",)), ("b", ("a",)), ("a", ("c",)), ("z", ("a",))],
            "steps wait for each other: `c` -> `b` -> `a` -> `c`",
        ),
    ],
)
def test_a_circle_is_shown_whole_and_what_only_waits_for_it_is_not(
    steps: list[tuple[str, tuple[str, ...]]], message: str, compiled: Callable[..., Any]
) -> None:
    head = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n  steps:\n"
    (mistake,) = compiled(head + "".join(step(*one) for one in steps)).diagnostics
    assert mistake.message == message
    assert len(mistake.labels) == max(0, message.count("->") - 1)


def test_circles_apart_are_each_said_once(mistakes: Mistakes) -> None:
    text = step("a", ("b",)) + step("b", ("a",)) + step("c", (), ("d",)) + step("d", ("c",)) + step("e", ("a", "c"))
    assert mistakes("  steps:\n" + text) == [("cycle", "b"), ("cycle", "d")]


def test_a_reference_in_has_is_an_edge_as_well(mistakes: Mistakes) -> None:
    spec = "  steps:\n" + step("a", ("b",)) + "    b: { if: has(steps.a.v), script: { run: x } }\n"
    assert ("cycle", "b") in mistakes(spec)


graphs = st.integers(1, 8).flatmap(
    lambda size: st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=20).map(
        lambda pairs: (size, pairs)
    )
)


@given(graph=graphs)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_graph_is_ordered_or_has_a_circle_that_is_one(
    graph: tuple[int, list[tuple[int, int]]], compiled: Callable[..., Any]
) -> None:
    size, pairs = graph
    needs = {f"s{n}": tuple(sorted({f"s{b}" for a, b in pairs if a == n and b != n})) for n in range(size)}
    head = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n  steps:\n"
    compilation = compiled(head + "".join(step(name, others) for name, others in needs.items()))
    if compilation.plan is not None:
        done: set[str] = set()
        for node in compilation.plan.nodes:
            assert {edge.step for edge in node.needs} == set(needs[node.id]) <= done
            done.add(node.id)
        assert len(done) == size
        return
    for mistake in compilation.diagnostics:
        names = [part.strip("`") for part in mistake.message.split(": ")[1].split(" -> ")]
        assert all(need in needs[name] for name, need in itertools.pairwise(names))
        assert names[0] == names[-1]
        assert len(set(names)) == len(names) - 1
