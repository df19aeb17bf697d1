"""Values as they are written down: small ones in the record, large ones in the content store, by the same code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import rfc8785

from somagent.capsule_compiler.plan import canonical_json, digest_of
from somagent.operators.runner.contents import Contents

INLINE_BYTES = 65_536
CONTENT = "$content"


def digest_of_value(value: Any) -> str:
    """sha256 over the canonical JSON of a value.

    RFC 8785 has no form for integers beyond 2^53, which CEL and JSON have; a value that holds one is written with
    sorted keys and all digits instead.
    """
    try:
        return digest_of(canonical_json(value))
    except rfc8785.IntegerDomainError:
        return digest_of(msgspec.json.encode(value, order="sorted"))


def fits(outputs: dict[str, Any]) -> bool:
    """Whether a record holds all of the outputs; else `put_away` may wait long for a store."""
    return len(msgspec.json.encode(outputs)) <= INLINE_BYTES and not has_stored(outputs)


def has_stored(outputs: Mapping[str, Any]) -> bool:
    """Whether some of these outputs are in the content store; then `fetch` may wait long for a store."""
    return any(map(_points, outputs.values()))


def put_away(outputs: dict[str, Any], contents: Contents) -> dict[str, Any]:
    """The outputs as a record holds them: what has more than 64 KiB of JSON is `{'$content': DIGEST}`.

    A value that has this form itself is put away as well, so that nobody can point at content by writing a digest.
    """
    if fits(outputs):
        return outputs
    return {name: _put_away(value, contents) for name, value in outputs.items()}


def fetch(outputs: Mapping[str, Any], contents: Contents) -> dict[str, Any]:
    """The outputs as they were given to `put_away`; raises `ContentError`."""
    return {
        name: msgspec.json.decode(contents.read_bytes(value[CONTENT])) if _points(value) else value
        for name, value in outputs.items()
    }


def _put_away(value: Any, contents: Contents) -> Any:
    encoded = msgspec.json.encode(value)
    if len(encoded) <= INLINE_BYTES and not _points(value):
        return value
    return {CONTENT: contents.put_bytes(encoded)}


def _points(value: Any) -> bool:
    return isinstance(value, dict) and CONTENT in value
