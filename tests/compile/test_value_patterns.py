"""A `pattern` allows a value exactly when `matches` finds it there: one meaning of regular expressions everywhere."""

from __future__ import annotations

import time

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.capsule_compiler.value_validators import value_validator
from somagent.governance import cel
from somagent.governance.cel.patterns import PatternFault, compile_pattern

PIECES = [
    *(r"a", r"b", r"é", r".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", r"\pL", r"\x{e9}", r"^", r"$"),
    *(
        r"\A",
        r"\z",
        r"[a-c]",
        r"[^a]",
        r"[^\s]",
        r"[[:alpha:]]",
        r"x*",
        r"{2}",
        r"(a|b)",
        r"(?i)A",
        r"(?s).",
        r"(?m)^b$",
    ),
]
TEXTS = [
    "",
    "a",
    "A",
    "b",
    "é",
    "É",
    "٣",
    "3",
    "_",
    " ",
    "\u00a0",
    "\n",
    "a\nb",
    "a\n",
    "α",
    "\x0b",
    "\ufeff",
    "\u2028",
]
patterns = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)


def found(pattern: str, text: str) -> bool:
    value = cel.evaluate(cel.parse("t.matches(p)"), {"t": text, "p": pattern})
    assert isinstance(value, bool)
    return value


@given(pattern=patterns, text=st.sampled_from(TEXTS) | st.text(max_size=4))
def test_a_pattern_allows_what_matches_finds(pattern, text):
    try:
        compile_pattern(pattern)
    except PatternFault:
        with pytest.raises((jsonschema_rs.ValidationError, ValueError), match="not a regular expression"):
            value_validator({"pattern": pattern})
        return
    assert value_validator({"pattern": pattern}).is_valid(text) == found(pattern, text)


@pytest.mark.parametrize(("pattern", "text"), [(r"^\S+$", "a\u00a0b"), (r"^\s$", "\x0b"), (r"\b", "é"), (r"^\w$", "é")])
def test_blanks_and_words_are_those_of_re2(pattern, text):
    assert value_validator({"pattern": pattern}).is_valid(text) == found(pattern, text)


def test_what_does_not_fit_is_said_with_the_pattern():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]$"}}},
    }
    (fault,) = value_validator(schema).iter_errors({"a": ["b", "é\n"]})
    assert (fault.message, fault.instance_path) == ('"é\\n" does not match "^[a-z]$"', ["a", 1])
    assert value_validator(schema).is_valid({"a": ["b"]})


TOOL = b"""apiVersion: somagent.io/v1alpha1
kind: Tool
metadata: { name: t }
spec: { input: { x: { type: string, pattern: '^(a+)+$' } } }
"""


def test_a_pattern_that_would_take_years_elsewhere_is_held_against_constants_at_once(mistakes):
    spec = "  uses: { tools: { t: ./t.yaml } }\n"
    spec += f"  steps: {{ s: {{ tool: {{ use: t, with: {{ x: {'a' * 60}! }} }} }} }}\n"
    start = time.process_time()
    assert [name for name, _ in mistakes(spec, beside={"t.yaml": TOOL})] == ["not-in-form"]
    assert mistakes(spec.replace("!", ""), beside={"t.yaml": TOOL}) == []
    assert time.process_time() - start < 2


def test_a_default_that_does_not_fit_its_pattern_is_refused(mistakes):
    spec = "  inputs: { x: { type: string, pattern: '^[0-9]+$', default: WRITTEN } }\n"
    spec += "  steps: { s: { script: { run: 'true' } } }\n"
    assert mistakes(spec.replace("WRITTEN", "'12a'")) == [("value-against-schema", "'12a'")]
    assert mistakes(spec.replace("WRITTEN", "'12'")) == []
