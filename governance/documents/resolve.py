"""What a plain YAML scalar means: by YAML 1.2, and whether kubectl's YAML 1.1 would disagree.

Sources: YAML 1.2.2 section 10.3.2 (core schema); yaml.org/type (1.1: bool, int, float); sigs.k8s.io/yaml reads 1.1.
"""

from __future__ import annotations

import re

from somagent.governance.documents.nodes import Scalar

LONGEST_INT = 40

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAYBE_NUMBER = frozenset("+-.0123456789")

_BOOL_11 = frozenset("y Y yes Yes YES n N no No NO on On ON off Off OFF".split())  # noqa: SIM905  reads as it is spoken
_NUMBER_11 = re.compile(
    r"[-+]?0[0-9_]+"  # octal by its leading zero
    r"|[-+]?0b[01_]+"  # binary
    r"|0o[0-7]+"  # text in 1.1, a number in 1.2
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"  # base 60
    r"|[-+]?0x[0-9a-fA-F]*_[0-9a-fA-F_]*"
    r"|[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"  # separators
    r"|[-+]?[0-9][0-9_]*\.[0-9]*_[0-9_]*"
)


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


def other_meaning(text: str) -> str:
    """What YAML 1.1 makes of a plain scalar when it differs from 1.2: a phrase for people, or empty."""
    if text in _BOOL_11:
        return "a boolean"
    if text and text[0] in _MAYBE_NUMBER and _NUMBER_11.fullmatch(text):
        return "text" if text.startswith("0o") else "another number" if _INT.fullmatch(text) else "a number"
    return ""
