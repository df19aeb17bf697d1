"""What YAML 1.2 and YAML 1.1 (or kubectl) read differently is known as such, and nothing else is.

PyYAML's own resolver is the oracle for 1.1. It differs from the specification or from kubectl's go-yaml in a few
forms, which are spelled here: it reads one-letter booleans, exponents without a sign and signed fractions without a
whole part as text.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.governance.documents import Span, decode_source, read_yaml
from somagent.governance.documents.resolve import NotFinite, other_meaning, resolve

KUBECTL_AGREES_WITH_12 = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_A_NUMBER_ANYWHERE = re.compile(r"[-+]?0[xb]_+")  # PyYAML's resolver says number, its constructor fails
DATE = re.compile(r"\d{4}-\d\d?-\d\d?.*")

loader = yaml.SafeLoader("")
plain_scalars = st.one_of(
    st.text(alphabet="+-0123456789_.:eExobnyYNF", min_size=1, max_size=8),
    st.sampled_from(["yes", "No", "ON", "off", "y", "N", "true", "FALSE", "null", "~", "010", "0b1", "1_0", "1:30"]),
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
)


def by_yaml_11(text: str) -> tuple[str, Any]:
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    try:
        return tag, loader.construct_object(yaml.ScalarNode(tag, text))
    except ValueError:
        return tag, None


@given(plain_scalars)
@settings(max_examples=600, deadline=None)
def test_pyyaml_and_the_core_schema_disagree_only_where_it_is_said(text: str) -> None:
    tag, value = by_yaml_11(text)
    try:
        own = resolve(text)
    except NotFinite:
        return
    same = (
        value == own
        and isinstance(value, bool) == isinstance(own, bool)
        and isinstance(value, str) == isinstance(own, str)
    )
    if same or DATE.fullmatch(text) or text in {"=", "<<"} or NOT_A_NUMBER_ANYWHERE.fullmatch(text):
        return
    assert other_meaning(text) is not None or KUBECTL_AGREES_WITH_12.fullmatch(text), (tag, value, own)


@given(plain_scalars)
@settings(max_examples=400, deadline=None)
def test_what_is_said_to_differ_is_read_differently_by_one_of_them(text: str) -> None:
    other = other_meaning(text)
    if other is None or other.words == "a boolean":
        return
    own = resolve(text)
    if other.kubectl:
        assert other.words.startswith("the number ")
        assert isinstance(own, str) or f"{own}" != other.words.removeprefix("the number ")
    else:
        assert by_yaml_11(text)[1] != own


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n", "a boolean to kubectl, which reads YAML 1.1"),
        ("on", "a boolean to kubectl, which reads YAML 1.1"),
        ("yes", "a boolean to kubectl, which reads YAML 1.1"),
        ("010", "the number 8 to kubectl, which reads YAML 1.1"),
        ("0755", "the number 493 to kubectl, which reads YAML 1.1"),
        ("0b101", "the number 5 to kubectl, which reads YAML 1.1"),
        ("1_000", "the number 1000 to kubectl, which reads YAML 1.1"),
        ("-0x1F", "the number -31 to kubectl, which reads YAML 1.1"),
        ("1e_3", "the number 1000 to kubectl, which reads YAML 1.1"),
        ("1:30", "a number in YAML 1.1"),
        ("190:20:30.15", "a number in YAML 1.1"),
        ("0o17", "text in YAML 1.1"),
        ("08", "text in YAML 1.1"),
        ("._5", None),
        (".5_0", "a number in YAML 1.1"),
        ("07", None),
        ("0", None),
        ("1e3", None),
        ("-.5", None),
        ("0:8", None),
        ("2026-01-01", None),
        ("true", None),
        ("None", None),
    ],
)
def test_the_message_says_who_reads_what(text: str, words: str | None) -> None:
    _, found = read_yaml(decode_source("a.yaml", f"a: {text}\n".encode())[0])
    if words is None:
        assert found == []
    else:
        (mistake,) = found
        assert mistake.name == "yaml-ambiguous"
        assert mistake.message.endswith(f"in YAML 1.2, but {words}")


@pytest.mark.parametrize("quoted", ["'no'", '"no"', "|-\n  no", ">-\n  no"])
def test_a_quoted_scalar_is_text_to_both(quoted: str) -> None:
    root, found = read_yaml(decode_source("a.yaml", f"a: {quoted}\n".encode())[0])
    assert found == []
    assert root is not None
    assert root.plain() == {"a": "no"}


def test_keys_are_held_to_the_same_rule() -> None:
    _, found = read_yaml(decode_source("a.yaml", b"on: 1\nn: 2\n")[0])
    assert [one.span for one in found] == [Span(0, 2), Span(6, 7)]
