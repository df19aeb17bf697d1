"""The bound on an expression's work holds: with the sizes that its values have, no evaluation takes more steps."""

from __future__ import annotations

import random
from functools import reduce

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somagent.governance import cel
from somagent.governance.cel.cost import ITEMS, NOTHING, either

BOUNDED = cel.Size(10, 0, bounded=True, parts=lambda _: cel.Size(0, 20, bounded=True), is_list=True)
LIST = cel.Size(is_list=True)


def size_of(value: cel.Value) -> cel.Size:
    """The size that the value has: of its parts, the largest that there is."""
    if isinstance(value, str):
        return cel.Size(0, len(value), bounded=True)
    if not isinstance(value, dict | list):
        return cel.Size(0, 32, bounded=True)
    parts = [*value.values(), *value] if isinstance(value, dict) else value
    one = reduce(either, map(size_of, parts), NOTHING) if parts else NOTHING
    return cel.Size(len(value), 0, bounded=True, parts=lambda _: one, is_list=isinstance(value, list))


def runs_out(text: str, bindings: dict[str, cel.Value]) -> bool:
    """Whether the expression takes more steps than were foretold for values of these sizes."""
    expr = cel.parse(text)
    cost = cel.estimate(expr, {name: size_of(value) for name, value in bindings.items()})
    try:
        cel.evaluate(expr, bindings, max_steps=cost.steps)
    except cel.EvaluationError as error:
        return "too much work" in error.message
    return False


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_evaluation_takes_more_steps_than_were_foretold(data, author_of):
    author = author_of(lambda n: data.draw(st.integers(0, n - 1)), 0)
    bindings = author.bindings()
    text = author.expr(author.any_type(), 3)
    assert not runs_out(text, bindings), text


@pytest.mark.parametrize("seed", range(3))
def test_nor_do_hundreds_of_random_ones(seed, author_of):
    for number in range(400):
        author = author_of(random.Random(f"{seed}/{number}").randrange, 0)
        bindings = author.bindings()
        text = author.expr(author.any_type(), 4)
        assert not runs_out(text, bindings), text


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a.all(x, x == 'b')", 10),
        ("a.all(x, x in a)", 10 * 11),
        ("a.map(x, a.map(y, y))", 10 * (1 + 10)),
        ("open.all(x, x)", ITEMS),
        ("a + a", 20),
        ("[1, 2, 3].map(x, x)", 3 + 3),
        ("a.filter(x, true).map(x, x)", 20),
        ("1 + 2", 0),
    ],
)
def test_the_formula_is_the_one_on_the_page(text, steps):
    assert cel.estimate(cel.parse(text), {"a": BOUNDED, "open": LIST}).steps == steps


def test_the_costly_part_is_named_from_outside_in():
    text = "a.all(x, open.exists(y, a.map(z, z).size() > 0)) && a.all(x, true)"
    loops = cel.estimate(cel.parse(text), {"a": BOUNDED, "open": LIST}).loops
    assert [(loop.macro.macro, loop.items, loop.bounded) for loop in loops] == [
        ("all", 10, True),
        ("exists", ITEMS, False),
        ("map", 10, True),
    ]


def test_long_bodies_and_literals_cannot_hide_work():
    row = ", ".join("1" for _ in range(2000))
    for text in (f"l.map(x, [{row}])", f"l.map(x, ({' && '.join('x > 0' for _ in range(2000))}))"):
        with pytest.raises(cel.EvaluationError, match="too much work"):
            cel.evaluate(cel.parse(text), {"l": list(range(1, 20_001))})
