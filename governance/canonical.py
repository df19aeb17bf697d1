"""One spelling for every value (RFC 8785), so that equal content has equal bytes and one digest everywhere."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value.

    Integers beyond 2^53 have no exact RFC 8785 form (section 3.2.2.3 writes numbers as IEEE doubles) and raise
    `rfc8785.CanonicalizationError`, as do NaN and infinities.
    """
    return rfc8785.dumps(value)


def digest_of(content: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
