"""Which steps share a pod: a graph of units is still a graph, and nothing waits for company that takes its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from somagent.capsule_compiler.plan import CapsuleInfo, Edge, FanOut, Node, Plan, RuleBook, Template
from somagent.workflows.engines.argo.emit.fuse import MOST, Wants, fused

SHORT, LONG = 60_000, 600_000


def step(name: str, *needs: str, operator: str = "script", timeout_ms: int = LONG, **more: Any) -> Node:
    edges = [Edge(step=one, kind="order") for one in needs]
    return Node(id=name, operator=operator, timeout_ms=timeout_ms, needs=edges, **more)


PLAN = Plan(
    format="plan/v1",
    capsule=CapsuleInfo(name="demo"),
    constitution=RuleBook(name="house", version="1", digest="sha256:1", document={}),
    catalogue="",
)


def inside(*nodes: Node) -> Plan:
    """A plan in which the capsule `sha256:0` has these steps."""
    return replace(PLAN, capsules={"sha256:0": replace(PLAN, nodes=list(nodes))})


def units(*nodes: Node, asks: Callable[[Node], bool] = lambda node: False, root: Plan = PLAN) -> list[str]:
    wants = Wants(root, lambda plan, node: asks(node))
    return ["".join(node.id for node in unit.nodes) for unit in fused(nodes, lambda node: wants.nothing(root, node))]


def test_steps_one_after_the_other_share_a_pod() -> None:
    assert units(step("a"), step("b", "a"), step("c", "a", "b")) == ["abc"]


def test_scripts_that_may_take_their_time_side_by_side_do_not() -> None:
    assert units(step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")) == ["a", "b", "c", "d"]


def test_what_is_short_joins_also_where_others_wait() -> None:
    short = [step(name, "a", timeout_ms=SHORT) for name in "bc"]
    assert units(step("a"), *short, step("d", "b", "c")) == ["abcd"]
    gate = step("g", "a", operator="policy", gate=True)
    assert units(step("a"), gate, step("b", "a"), step("c", "a")) == ["ag", "b", "c"]


def test_a_step_joins_none_that_would_have_to_wait_for_more() -> None:
    assert units(step("a"), step("x"), step("b", "a", "x")) == ["a", "x", "b"]
    assert units(step("x", secrets=["secrets.s"]), step("a", "x"), step("b", "a", "x")) == ["x", "ab"]


def test_what_asks_for_something_of_its_own_has_a_pod_of_its_own() -> None:
    image = Template(value={"run": "true", "image": "tool:1"})
    sized = Template(value={"run": "true", "resources": {"memory": "1Gi"}})
    items = FanOut(items=Template(value=[1]), name="one", item_schema={})
    for own in (
        {"arguments": image},
        {"arguments": sized},
        {"secrets": ["secrets.token"]},
        {"fan_out": items},
        {"operator": "capsule", "capsule": "sha256:0"},
        {"operator": "tool"},
        {"operator": "slm"},
        {"operator": "review", "gate": True},
    ):
        one = step("b", "a", **own)
        assert units(step("a"), one, step("c", "b"), root=inside(step("x", operator="tool"))) == ["a", "b", "c"]
    asked = units(step("a"), step("b", "a"), step("c", "b"), asks=lambda node: node.id == "b")
    assert asked == ["a", "b", "c"]


def test_a_capsule_shares_when_nothing_in_it_asks_for_anything() -> None:
    part = step("b", "a", operator="capsule", capsule="sha256:0")
    assert units(step("a"), part, step("c", "b"), root=inside(step("x"), step("y", "x"))) == ["abc"]
    asked = units(step("a"), part, root=inside(step("x")), asks=lambda node: node.id == "x")
    assert asked == ["a", "b"]


def test_a_pod_has_so_many_steps_at_most() -> None:
    chain = [step(f"s{number}", *([f"s{number - 1}"] if number else [])) for number in range(50)]
    assert [len(unit.nodes) for unit in fused(chain, lambda node: True)] == [MOST, MOST, 10]


@st.composite
def graphs(draw: Callable[..., Any]) -> list[Node]:
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 30))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        operator = draw(st.sampled_from(["script", "policy", "tool"]))
        timeout = draw(st.sampled_from([SHORT, LONG]))
        nodes.append(step(f"s{number}", *(f"s{one}" for one in sorted(needs)), operator=operator, timeout_ms=timeout))
    return nodes


@given(graphs())
def test_every_step_is_in_one_unit_after_all_that_it_needs(nodes: list[Node]) -> None:
    found = fused(nodes, lambda node: node.operator != "tool")
    assert sorted(node.id for unit in found for node in unit.nodes) == sorted(node.id for node in nodes)
    ended: set[str] = set()
    before: set[str] = set()
    for unit in found:
        waits = {edge.step for edge in unit.needs}
        assert waits <= before
        known = {node.id for one in found if one.id in waits for node in one.nodes}
        for node in unit.nodes:
            assert {edge.step for edge in node.needs} <= known | {one.id for one in unit.nodes}
            assert {edge.step for edge in node.needs} <= ended
            ended.add(node.id)
        before.add(unit.id)
        if len(unit.nodes) > 1:
            slow = [node for node in unit.nodes if node.operator == "script" and node.timeout_ms == LONG]
            inside = {node.id for node in unit.nodes}
            for late in slow:  # nobody outside waits for what was there before it
                earlier = [node.id for node in unit.nodes[: list(unit.nodes).index(late)]]
                outside = [node for node in nodes if node.id not in inside and late.id not in above(nodes, node)]
                assert not any(edge.step in earlier for node in outside for edge in node.needs)


def above(nodes: list[Node], node: Node) -> set[str]:
    by_id = {one.id: one for one in nodes}
    found: set[str] = set()
    left = [edge.step for edge in node.needs]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [edge.step for edge in by_id[name].needs]
    return found
