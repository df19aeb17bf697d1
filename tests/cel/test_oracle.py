"""The official implementation, `cel-expr-python`, says what is right: same value or both an error, same refusals.

`pytest tests/cel/test_oracle.py --hypothesis-profile campaign` runs many times as many examples.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from somagent.governance import cel

_CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
EXAMPLES = settings(max_examples=250, **_CALM)


def _examples(usual: settings):
    """The usual number of examples, unless a profile asks for more."""
    return settings(max_examples=max(usual.max_examples, settings.default.max_examples), **_CALM)


@pytest.fixture
def bindings(author_of):
    return author_of(random.Random(4).randrange, 0).bindings() | {"xm": {"a": 1}}


def _text(choose, author_of, slips=0):
    author = author_of(choose, slips)
    bindings = author.bindings()
    return author.expr(author.any_type(), 1 + choose(4)), bindings


@given(data=st.data())
@_examples(EXAMPLES)
def test_well_typed_expressions_have_the_official_value_or_both_have_none(data, oracle, author_of, run_ours):
    text, bindings = _text(lambda n: data.draw(st.integers(0, n - 1)), author_of)
    expected = oracle.run(text, bindings)
    assume(not oracle.differs_by_nature(expected))
    note(f"{text}\n{bindings}")
    actual = run_ours(text, bindings)
    assert actual.same(expected), f"{text}: official {expected}, ours {actual}"


@given(data=st.data())
@_examples(EXAMPLES)
def test_expressions_with_slips_are_refused_exactly_when_the_official_checker_refuses(
    data, oracle, author_of, run_ours
):
    text, bindings = _text(lambda n: data.draw(st.integers(0, n - 1)), author_of, slips=6)
    expected = oracle.run(text, bindings)
    assume(not oracle.differs_by_nature(expected))
    actual = run_ours(text, bindings)
    assume(not oracle.is_stricter_here(expected, actual))
    assert (actual.kind == "refused") == (expected.kind == "refused"), f"{text}: official {expected}, ours {actual}"


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_random_expressions_agree(seed, oracle, author_of, run_ours):
    choose = random.Random(seed).randrange
    compared = 0
    for _ in range(1000):
        text, bindings = _text(choose, author_of)
        expected = oracle.run(text, bindings)
        if oracle.differs_by_nature(expected):
            continue
        compared += 1
        actual = run_ours(text, bindings)
        assert actual.same(expected), f"{text}: official {expected}, ours {actual}"
    assert compared > 900


@pytest.mark.parametrize("text", (Path(__file__).parent / "written.txt").read_text("utf-8").splitlines())
def test_written_expressions_agree(text, bindings, oracle, run_ours):
    expected, actual = oracle.run(text, bindings), run_ours(text, bindings)
    assert actual.same(expected), f"official {expected}, ours {actual}"


@pytest.mark.parametrize(
    ("text", "official", "ours"),
    [
        # Left out of the subset: CEL has them, and says so by a value.
        ("1u", "value", "refused"),
        ('b"a"', "value", "refused"),
        ("type(1)", "value", "refused"),
        ("int", "value", "refused"),
        ('timestamp("2020-01-01T00:00:00Z")', "value", "refused"),
        ('duration("1s")', "value", "refused"),
        (".i", "value", "refused"),
        ("google.protobuf.Int32Value{value: 1}", "value", "refused"),
        # Refused although the official checker lets it pass, because it can only fail.
        ("1e400", "value", "refused"),
        ("!!1", "value", "refused"),
        ("string(null)", "error", "refused"),
        ('s.matches("(")', "error", "refused"),
        ("null < null", "error", "refused"),
        ("{1.5: 1}", "error", "refused"),
        ('{"a": 1, "a": 2}', "error", "refused"),
        # No signature of CEL takes a bool; the official evaluator does, behind its checker's back.
        ("int(dyn(true))", "value", "error"),
        # A Python dict cannot tell these keys apart.
        ("{dyn(true): 1, 1: 2}", "value", "error"),
        # An error that the official evaluator does not absorb.
        ('{dyn("a"): 1, "a": 2}.a == 1 || true', "error", "value"),
        # Taken although the official checker refuses: it takes a type for known that is not.
        ('(xm["a"] + xm["b"]) == "s"', "refused", "error"),
        ('{"a": 1, "b": dyn("s")}.b == "s"', "refused", "value"),
        ("[].all(e, e.all(f, f))", "refused", "value"),
    ],
)
def test_the_known_differences_are_exactly_these(text, official, ours, *, bindings, oracle, run_ours):
    assert (oracle.run(text, bindings).kind, run_ours(text, bindings).kind) == (official, ours)


def test_not_a_number_is_written_without_a_sign(oracle):
    assert cel.evaluate(cel.parse("string(0.0 / 0.0)"), {}) == "nan"
    assert str(oracle.run("string(0.0 / 0.0)", {}).value).lstrip("-") == "nan"
