"""What a run sees: values of CEL's own kinds, faults with their place, and bounded work."""

from __future__ import annotations

import math
import threading

import pytest

from somagent.governance import cel


def fault_of(text: str, **bindings: object) -> tuple[str, str]:
    """The marked text and the message of the fault."""
    with pytest.raises(cel.EvaluationError) as caught:
        cel.evaluate(cel.parse(text), bindings)
    return text[slice(*caught.value.span)], caught.value.message


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("1 + n / 0", "/", "division by zero"),
        ("n % 0", "%", "division by zero"),
        ("9223372036854775807 + n", "+", "the result does not fit into 64 bits"),
        ("m.b.c", "b", "there is no field `b`"),
        ('m["b"]', '"b"', 'there is no key "b"'),
        ("l[7]", "7", "there is no item 7: the list has 2"),
        ("l[n - 8]", "n - 8", "there is no item -7: the list has 2"),
        ("n.f", "f", "int has no field `f`"),
        ("has(n.f)", "f", "int has no fields"),
        ("n && true", "&&", "`&&` wants bool on both sides, not int"),
        ("true && (m.b || m.c)", "b", "there is no field `b`"),
        ("n ? 1 : 2", "n", "a condition is bool, not int"),
        ("l.all(x, x)", "x", "a condition is bool, not int"),
        ("n.map(x, x)", "n", "a macro works on a list or a map, not on int"),
        ("n + s", "+", "`+` cannot take int and string"),
        ("s < n", "<", "`<` cannot take string and int"),
        ("s in n", "in", "`in` looks in a list or a map, not in int"),
        ("-s", "-s", "`-` cannot take string"),
        ("!n", "!n", "`!` wants bool, not int"),
        ("size(n)", "size", "size(...) cannot take int"),
        ("n.startsWith(s)", "startsWith", "`startsWith` cannot take int and string"),
        ('int("1.5")', "int", '"1.5" is not a 64-bit int'),
        ("int(1e30)", "int", "this double does not fit into a 64-bit int"),
        ('double("x")', "double", '"x" is not a number'),
        ('bool("yes")', "bool", '"yes" is neither true nor false'),
        ("{s: 1, s: 2}", "s", 'the key "a" is in the map twice'),
        ("{l: 1}", "l", "list cannot be the key of a map"),
        ("{dyn(true): 1, dyn(1): 2}", "dyn(1)", "a map cannot have both a bool and the int of the same value as keys"),
        ("gone + 1", "gone", "`gone` has no value here"),
    ],
)
def test_a_fault_names_its_place(text, marked, message):
    assert fault_of(text, n=1, s="a", l=[1, 2], m={"a": 1}) == (marked, message)


def test_a_bool_is_never_an_int():
    bindings: dict[str, cel.Value] = {
        "t": True,
        "one": 1,
        "l": [1, 0],
        "lb": [True],
        "m": {1: "int"},
        "mb": {True: "bool"},
    }
    falses = ["t == one", "t in l", "one in lb", "dyn(1.0) == t", "[t] == [one]", "{1: t} == {1: one}", "m == mb"]
    falses += ["t in m", "one in mb", "l.exists(x, x == t)", "lb == l"]
    for text in falses:
        assert cel.evaluate(cel.parse(text), bindings) is False, text
    for text in ("m[t]", "mb[one]", "t + one", "t < one", "l[t]", "-t", "int(t)"):
        with pytest.raises(cel.EvaluationError):
            cel.evaluate(cel.parse(text), bindings)
    assert cel.evaluate(cel.parse("mb[t] + m[one] + m[1.0]"), bindings) == "boolintint"


def test_keys_are_walked_over_in_one_order_wherever_a_map_came_from():
    expr = cel.parse("m.map(k, k)")
    one: cel.Value = {"b": 1, "a": 2, "B": 3, "\uffff": 4, "😀": 5}
    other: cel.Value = dict(reversed(one.items()))  # type: ignore[union-attr]
    assert cel.evaluate(expr, {"m": one}) == cel.evaluate(expr, {"m": other}) == ["B", "a", "b", "\uffff", "😀"]
    mixed = cel.evaluate(cel.parse('{"a": 1, 10: 2, 9: 3, true: 4, false: 5}.map(k, k)'), {})
    assert mixed == [False, True, 9, 10, "a"]
    assert [type(key) for key in mixed] == [bool, bool, int, int, str]


def test_a_variable_of_a_macro_hides_others_only_inside():
    text = "[x, [1, 2].map(x, x + [10].map(x, x)[0]), x].map(y, [y].exists(x, [3].exists(z, z == 3) && x == y))"
    assert cel.evaluate(cel.parse(text), {"x": 5}) == [True, True, True]
    assert cel.evaluate(cel.parse("[1].map(e, [[2].map(e, [3].map(f, f) + [e]), e])"), {}) == [[[[3, 2]], 1]]


@pytest.mark.parametrize(
    "text",
    [
        "l.all(a, l.all(b, l.all(c, true)))",
        "l.exists(a, l == m)",
        "l.exists(a, -1 in l)",
        "l.map(a, l + l).size() > 0",
        "l.all(a, l.all(b, a == b || !l.exists(c, false)))",
        '["0123456789"]' + ".map(t, t + t)" * 60,
        "[l]" + ".map(t, t + t)" * 60,
        "l.filter(a, l.exists_one(b, l.all(c, true)))",
    ],
)
def test_work_is_bounded(text):
    bindings: dict[str, cel.Value] = {"l": list(range(2000)), "m": [*range(1999), -1]}
    run = cel.compile_expr(cel.parse(text))
    with pytest.raises(cel.EvaluationError, match="takes too much work"):
        run(bindings)


def test_running_out_of_steps_is_not_absorbed():
    for text in ("l.all(x, true) || true", "true || false && l.all(x, true)", "[1].exists(y, l.all(x, true)) || true"):
        run = cel.compile_expr(cel.parse(text), max_steps=10)
        if text.startswith("true"):
            assert run({"l": list(range(100))}) is True  # not even started
        else:
            with pytest.raises(cel.EvaluationError, match="takes too much work"):
                run({"l": list(range(100))})


def test_each_evaluation_has_its_own_steps():
    run = cel.compile_expr(cel.parse("l.all(x, x >= 0)"), max_steps=100)
    for _ in range(50):
        assert run({"l": list(range(90))}) is True


def test_deeply_nested_values_are_a_fault_not_a_crash():
    deep: list[cel.Value] = []
    for _ in range(100_000):
        deep = [deep]
    assert fault_of("a == b", a=deep, b=[deep])[1] == "a value is nested too deeply"
    while deep:  # taken apart from the outside, since freeing it at once would recurse
        deep = deep.pop()  # type: ignore[assignment]


def test_a_compiled_expression_may_run_in_many_threads():
    run = cel.compile_expr(cel.parse("l.map(x, l.filter(y, y < x).size() + n)"))
    found: dict[int, cel.Value] = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: run({"l": list(range(60)), "n": n})})) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [x + n for x in range(60)] for n in range(8)}


def test_bindings_are_never_changed():
    values: cel.Value = [1, 2]
    bindings: dict[str, cel.Value] = {"l": values, "m": {"a": values}}
    cel.evaluate(cel.parse("(l + m.a).map(x, x + 1) + m.a.filter(x, x > 1) + l"), bindings)
    assert bindings == {"l": [1, 2], "m": {"a": [1, 2]}}


def test_only_what_is_needed_is_evaluated():
    assert cel.evaluate(cel.parse("has(m.a) ? m.a : 7"), {"m": {}}) == 7
    assert cel.evaluate(cel.parse("l.exists(x, x == 1)"), {"l": [1, "not a number"]}) is True


def test_doubles_are_ieee_754():
    values = {
        text: cel.evaluate(cel.parse(text), {}) for text in ("1.0 / 0.0", "-1.0 / 0.0", "1.0 / -0.0", "0.0 / 0.0")
    }
    assert list(values.values())[:3] == [math.inf, -math.inf, -math.inf]
    assert math.isnan(values["0.0 / 0.0"])  # type: ignore[arg-type]
