"""Canonical JSON is what RFC 8785 says; the reference library is the oracle, and the standard's own examples hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.governance.canonical import canonical_json, digest_of

numbers = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e17, 1e17).map(lambda number: round(number, 3)),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-4, 9.9e-5, 1e15, 1e15 - 0.5, 1e16, 1e21, 1e-7, 5e-324, 2.0**53, 0.1]),
)
texts = st.text(max_size=10) | st.sampled_from(["", '\x00\x1f\x7f\\"/', "é漢😀", "\u2028\ufeff", "b", "a", "B", "aa"])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)


@given(values)
@settings(max_examples=500, deadline=None)
def test_it_is_the_reference_librarys(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


def test_the_example_of_the_standard() -> None:
    """RFC 8785, section 3.2.2 and 3.2.3."""
    text = r"""{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"""
    assert canonical_json(json.loads(text)).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_sorted_by_their_utf_16_units() -> None:
    """RFC 8785, section 3.2.3."""
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]
    ordered = json.loads(canonical_json(dict.fromkeys(keys, 0)))
    assert list(ordered) == ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800", {"\ud800": 1}, {1: 2}, [{3}]])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        canonical_json([value])


def test_a_digest_names_its_method() -> None:
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
