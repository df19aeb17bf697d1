"""Regular expressions: RE2's meaning, the place of a mistake inside the pattern, and no text that makes them hang."""

from __future__ import annotations

import time

import pytest

from somagent.governance import cel

SCOPE = {"s": cel.STRING, "p": cel.STRING}
ATTACKS = ["(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"]


def faults(text: str) -> list[tuple[str, str]]:
    found = cel.check(cel.parse(text), SCOPE).diagnostics
    return [(one.message, text[one.span.start : one.span.end]) for one in found]


@pytest.mark.parametrize("pattern", ATTACKS)
def test_no_text_makes_a_pattern_hang(pattern):
    expr = cel.parse("s.matches(p)")
    start = time.process_time()
    cel.evaluate(expr, {"s": "a" * 50_000 + "!", "p": pattern})
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("s.matches('a[0-')", "missing ]", "[0-"),
        ("s.matches('x(a')", "missing )", "("),
        (r"s.matches('[(]\\((a')", "missing )", "("),
        ("s.matches('(a)b)')", "`)` closes nothing", ")"),
        ("s.matches('a**')", "bad repetition operator", "**"),
        ("s.matches('(?=a)')", "invalid perl operator", "(?="),
        (r"s.matches('\u00e9\n*+?')", "bad repetition operator", "*+?"),
        (r"s.matches(r'''\d\q''')", "invalid escape sequence", r"\q"),
        ("matches(s, 'a{1001}')", "invalid repetition size", "{1001}"),
    ],
)
def test_a_constant_pattern_is_checked_with_the_place_inside_it(text, message, place):
    assert faults(text) == [(f"this is not a regular expression: {message}", place)]


def test_a_pattern_that_is_not_constant_is_an_error_of_the_run_and_is_absorbed_like_one():
    expr = cel.parse("s.matches(p)")
    with pytest.raises(cel.EvaluationError, match="is not a regular expression: missing"):
        cel.evaluate(expr, {"s": "a", "p": "a("})
    assert cel.evaluate(cel.parse("s.matches(p) || true"), {"s": "a", "p": "a("}) is True


def test_work_on_texts_and_patterns_counts():
    expr = cel.parse("l.exists(x, s.matches(p))")
    start = time.process_time()
    with pytest.raises(cel.EvaluationError, match="too much work"):
        cel.evaluate(expr, {"l": [1] * 10_000, "s": "ab" * 20_000, "p": "(?:[ab]*a[ab]{500}c|[ab]*b[ab]{400}c)"})
    assert time.process_time() - start < 5


def test_half_a_surrogate_pair_is_an_error_not_a_crash():
    for bindings in ({"s": "\ud800", "p": "a"}, {"s": "a", "p": "\ud800"}):
        with pytest.raises(cel.EvaluationError):
            cel.evaluate(cel.parse("s.matches(p)"), bindings)
