"""Large graphs as several DAGs: whoever needs nothing of another step does not wait for it."""

from __future__ import annotations

import pytest

from somagent.capsule_compiler.plan import Edge, Node, Template
from somagent.workflows.engines.argo.emit.groups import MOST_TASKS, grouped


def chains(count: int, length: int) -> list[Node]:
    """Side by side, one layer after the other."""
    return [
        Node(
            id=f"s{n}_{chain}",
            operator="script",
            arguments=Template(value={}),
            needs=[Edge(step=f"s{n - 1}_{chain}", kind="order")] if n else [],
            timeout_ms=1000,
        )
        for n in range(length)
        for chain in range(count)
    ]


@pytest.mark.parametrize(("count", "length"), [(10, 100), (3, 60), (40, 7), (1, 191), (2, 400), (1000, 1)])
def test_chains_that_do_not_need_each_other_do_not_wait_for_each_other(count, length):
    nodes = chains(count, length)
    groups = grouped(nodes)
    home = {node.id: number for number, group in enumerate(groups) for node in group.nodes}
    assert sorted(home) == sorted(node.id for node in nodes)
    assert all(len(group.nodes) < MOST_TASKS for group in groups)
    for group in groups:
        chains_here = {node.id.rpartition("_")[2] for node in group.nodes}
        for need in group.needs:
            assert {node.id.rpartition("_")[2] for node in groups[need].nodes} <= chains_here


def test_every_step_comes_after_what_it_needs():
    groups = grouped(
        [
            *chains(2, 150),
            Node(
                id="last",
                operator="script",
                arguments=Template(value={}),
                needs=[Edge(step="s149_0", kind="order"), Edge(step="s149_1", kind="order")],
                timeout_ms=1000,
            ),
        ]
    )
    place = {node.id: (number, at) for number, group in enumerate(groups) for at, node in enumerate(group.nodes)}
    for number, group in enumerate(groups):
        assert all(need < number for need in group.needs)
        for node in group.nodes:
            assert all(place[edge.step] < place[node.id] for edge in node.needs)
