"""One spelling for every value (RFC 8785), so that equal content has equal bytes and one digest everywhere."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

MAX_EXACT_INT = 2**53 - 1


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value.

    Integers beyond 2^53 have no exact RFC 8785 form (section 3.2.2.3 writes numbers as IEEE doubles) and raise
    `rfc8785.CanonicalizationError`, as do NaN and infinities.
    """
    try:
        return msgspec.json.encode(_plain(value), order="sorted")
    except (_Unusual, UnicodeEncodeError):
        import rfc8785  # noqa: PLC0415  a third as fast, and rarely needed

        return rfc8785.dumps(value)


class _Unusual(Exception):
    """A value that RFC 8785 and `msgspec.json` spell differently, or that only the former refuses."""


def _plain(value: Any) -> Any:
    """The value with whole numbers as integers, when its parts are such that both ways spell them alike.

    They do for ASCII keys (RFC 8785 sorts others by UTF-16 units) and for numbers that are written without exponent.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        if not all(type(key) is str and key.isascii() for key in value):
            raise _Unusual
        return {key: _plain(member) for key, member in value.items()}
    if kind is list or kind is tuple:
        return [_plain(member) for member in value]
    if kind is int and -MAX_EXACT_INT <= value <= MAX_EXACT_INT:
        return value
    if kind is float and 1e-4 <= abs(value) < 1e15:
        return int(value) if value.is_integer() else value
    if kind is float and value == 0:
        return 0
    raise _Unusual


def digest_of(content: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
