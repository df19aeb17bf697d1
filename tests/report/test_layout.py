"""The step graph: nothing overlaps, arrows go with time, and the same graph always looks the same."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.layout.layers import draw, layer_of

BOX, GAP = 100.0, 20.0


@st.composite
def graphs(make: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    """Nodes in topological order and edges between them."""
    count = make(st.integers(1, 30))
    names = [f"s{number}" for number in range(count)]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    edges = make(st.lists(pairs, unique=True, max_size=3 * count)) if count > 1 else []
    return names, [(names[start], names[end]) for start, end in edges]


@given(graphs())
def test_boxes_of_a_layer_keep_their_distance_and_edges_go_on_layer_by_layer(
    graph: tuple[list[str], list[tuple[str, str]]],
) -> None:
    names, edges = graph
    layers = layer_of(names, edges)
    drawing = draw(layers, edges, box=BOX, gap=GAP)
    assert sorted(vertex for row in drawing.layers for vertex in row if isinstance(vertex, str)) == sorted(names)
    for row in drawing.layers:
        for left, right in pairwise(row):
            both = isinstance(left, str) and isinstance(right, str)
            least = BOX + GAP if both else GAP / 3
            assert drawing.centres[right] - drawing.centres[left] >= least - 1e-6
        boxes = [drawing.centres[vertex] for vertex in row if isinstance(vertex, str)]
        assert all(centre - BOX / 2 + 1e-6 >= 0 and centre + BOX / 2 <= drawing.extent + 1e-6 for centre in boxes)
    place = {vertex: number for number, row in enumerate(drawing.layers) for vertex in row}
    for (start, end), route in drawing.routes.items():
        assert (route[0], route[-1]) == (start, end)
        assert [place[vertex] for vertex in route] == list(range(layers[start], layers[end] + 1))


@given(graphs())
def test_each_node_is_one_layer_after_the_last_that_it_needs(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    names, edges = graph
    layers = layer_of(names, edges)
    for name in names:
        before = [layers[start] for start, end in edges if end == name]
        assert layers[name] == (max(before) + 1 if before else 0)


@given(graphs())
def test_the_same_graph_is_drawn_the_same(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    names, edges = graph
    layers = layer_of(names, edges)
    assert draw(layers, edges, box=BOX, gap=GAP) == draw(layers, edges, box=BOX, gap=GAP)


def test_a_tree_is_drawn_without_crossings_and_a_chain_is_straight() -> None:
    chain = [("a", "b"), ("b", "c"), ("c", "d")]
    drawing = draw(layer_of(list("abcd"), chain), chain, box=BOX, gap=GAP)
    assert len({round(drawing.centres[name], 3) for name in "abcd"}) == 1
    crossed = [("a", "d"), ("b", "c"), ("a", "c")]  # a c, b d would cross once; a d c b does not
    rows = draw(layer_of(list("abcd"), crossed), crossed, box=BOX, gap=GAP).layers
    assert rows[1] == ["d", "c"] if rows[0] == ["a", "b"] else rows[1] == ["c", "d"]


def test_every_step_is_a_box_that_leads_to_its_details(ran: Callable[..., Any]) -> None:
    page = ran(
        """
        steps:
          one: { script: { run: 'echo x=1 >> $SOMAGENT_OUTPUT' }, outputs: { x: { type: integer } } }
          two: { script: { run: 'true', env: { VALUE: "${{ steps.one.x }}" } } }
          three: { needs: [two], script: { run: 'true' } }
          a_very_long_name_that_does_not_fit_into_any_box_of_the_graph: { script: { run: 'true' } }
        finally:
          tidy: { script: { run: 'true' } }
        """
    ).page
    graph = page.ids["graph"]
    boxes = graph.all("a", "node")
    assert [box.attributes["href"] for box in boxes] == ["#s0", "#s1", "#s2", "#s3", "#s4"]
    kinds = [path.attributes["class"].split()[1] for path in graph.all("path", "edge")]
    assert sorted(kinds) == ["data", "order"]
    long = next(box for box in boxes if "a_very_long" in box.text)
    assert long.all("text", "name")[0].text.endswith("…")
    assert "a_very_long_name_that_does_not_fit_into_any_box_of_the_graph" in long.all("title")[0].text
    assert "finally: runs when all else has ended" in graph.text
    assert graph.all("svg")[0].all("desc")[0].text.startswith("5 steps (5 Succeeded).")


def test_a_fan_out_of_a_hundred_is_one_box_with_its_count_and_a_hundred_rows(
    ran: Callable[..., Any],
) -> None:
    done = ran(
        """
        inputs: { numbers: { type: array, maxItems: 100, items: { type: integer } } }
        steps:
          each:
            forEach: ${{ inputs.numbers }}
            as: number
            maxParallel: 8
            review: { title: "Go on with ${{ number }}?", verdict: "${{ number == 13 ? 'deny' : 'allow' }}" }
        """,
        inputs={"numbers": list(range(100))},
    )
    assert done.view.phase == "Failed"
    box = done.page.ids["graph"].all("a", "node")[0]
    assert "100 items, 1 failed" in box.text
    parts = [float(part.attributes["width"]) for part in box.all("rect", "part")]
    assert sum(parts) == pytest.approx(72, abs=0.1)
    assert parts == pytest.approx([3 + 66 * 0.99, 3 + 66 * 0.01], abs=0.06)
    heads = [head.text for head in done.page.ids["evidence"].all("th") if head.attributes["scope"] == "row"]
    assert [head for head in heads if head.isdigit()] == [str(number) for number in range(100)]
    assert "each, item 13" in done.page.section("failures")
    assert "at most 8 at a time" in done.page.row("time", "each")[1]


def _many(count: int) -> str:
    steps = "\n".join(
        f"  s{n}: {{ {f'needs: [s{n // 2}, s{n // 3}], ' if n > 5 else ''}review: {{ title: 'Go?', verdict: allow }} }}"
        for n in range(count)
    )
    return f"steps:\n{steps}\n"


def test_two_hundred_steps_are_drawn_and_do_not_overlap(ran: Callable[..., Any]) -> None:
    page = ran(_many(200)).page
    boxes = page.ids["graph"].all("a", "node")
    assert len(boxes) == 200
    at = [tuple(map(float, re.findall(r"[\d.]+", box.attributes["transform"]))) for box in boxes]
    assert not [
        (a, b) for n, a in enumerate(at) for b in at[:n] if abs(a[0] - b[0]) < 256 - 0.2 and abs(a[1] - b[1]) < 56 - 0.2
    ]
    assert len(page.ids["time"].all("tbody")[0].all("tr")) == 200


def test_thousands_of_steps_are_listed_instead_of_drawn(ran: Callable[..., Any]) -> None:
    async def only_submitted(engine: LocalEngine, run_id: str) -> str:
        return run_id

    page = ran(_many(2_000), act=only_submitted).page
    assert page.ids["graph"].all("svg") == []
    assert "This run has 2,000 steps." in page.section("graph")
    assert len(page.ids["time"].all("tbody")[0].all("tr")) == 2_000


def test_a_run_of_one_step_has_a_report(ran: Callable[..., Any]) -> None:
    page = ran("steps: { only: { script: { run: 'true' } } }").page
    assert len(page.ids["graph"].all("a", "node")) == 1
    assert not page.has("results")
