"""What a plain YAML scalar means: by YAML 1.2, and whether kubectl's YAML 1.1 would disagree.

Sources: YAML 1.2.2 section 10.3.2 (core schema); yaml.org/type (1.1: bool, int, float); kubectl reads by
sigs.k8s.io/yaml, which is go-yaml v2.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from somagent.governance.documents.nodes import Scalar

LONGEST_INT = 40

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAYBE_NUMBER = frozenset("+-.0123456789")

_BOOL_11 = frozenset("y Y yes Yes YES n N no No NO on On ON off Off OFF".split())  # noqa: SIM905  reads as it is spoken
_KUBECTL_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_KUBECTL_BASES = (16, 2, 8, 10)
_BASE_60 = re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*")
_SEPARATED_FRACTION = re.compile(r"\.[0-9][0-9_]*_[0-9_]*([eE][-+][0-9]+)?")
_TEXT_11 = re.compile(r"0o[0-7]+|[-+]?0[0-9]*[89][0-9]*")


class OtherMeaning(NamedTuple):
    """What YAML 1.1 makes of a plain scalar: a phrase for people, and whether kubectl does so, too."""

    words: str
    kubectl: bool


class NotFinite(Exception):
    """The scalar is an infinity or not a number."""


def resolve(text: str) -> Scalar:
    """The value of a plain scalar by the YAML 1.2 core schema; raises `NotFinite`."""
    if text in _NULL:
        return None
    first = text[0]
    if first not in _MAYBE_NUMBER:
        return _BOOL.get(text, text)
    if _INT.fullmatch(text):
        if len(text) > LONGEST_INT:  # far beyond any exact number; Python refuses to convert thousands of digits
            return int("9" * LONGEST_INT)
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in {float("inf"), float("-inf")}:
            raise NotFinite
        return number
    if _NOT_FINITE.fullmatch(text):
        raise NotFinite
    return text


def other_meaning(text: str) -> OtherMeaning | None:
    """What YAML 1.1 or kubectl makes of a plain scalar when it differs from 1.2, else None.

    kubectl reads by go-yaml, which knows no base 60 and takes `0o17`, `08`, `1e3` and `-.5` as 1.2 does; dates are
    left as text by all three.
    """
    if text in _BOOL_11:
        return OtherMeaning("a boolean", kubectl=True)
    if not text or text[0] not in _MAYBE_NUMBER or (text.isdecimal() and text[0] != "0"):
        return None
    number = _by_kubectl(text)
    try:
        own = resolve(text)
    except NotFinite:
        return None
    if number is not None and number != own:
        shown = f"{number:g}" if isinstance(number, float) else str(number)
        return OtherMeaning(f"the number {shown}", kubectl=True)
    if _BASE_60.fullmatch(text) or _SEPARATED_FRACTION.fullmatch(text):
        return OtherMeaning("a number", kubectl=False)
    return OtherMeaning("text", kubectl=False) if _TEXT_11.fullmatch(text) else None


def _by_kubectl(text: str) -> int | float | None:
    """The number that go-yaml v2 reads (`resolve` in its resolve.go), None when it reads text."""
    plain = text if text[0] == "." else text.replace("_", "")
    if len(plain) > LONGEST_INT:
        return None
    match = _KUBECTL_INT.fullmatch(plain)
    if match is not None:
        sign, *digits = match.groups()
        value = next(int(part, base) for part, base in zip(digits, _KUBECTL_BASES, strict=True) if part)
        return -value if sign == "-" else value
    return float(plain) if _FLOAT.fullmatch(plain) else None
