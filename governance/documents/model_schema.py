"""The JSON Schema of a model, the same on every Python: docstrings are laid out alike since 3.13 only."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import msgspec


def model_schema(model: type) -> dict[str, Any]:
    """Draft 2020-12, with `$defs`; descriptions without the indentation of the source."""
    schema: dict[str, Any] = _clean(msgspec.json.schema(model))
    return schema


def _clean(part: Any) -> Any:
    if isinstance(part, list):
        return [_clean(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        key: cleandoc(value) if key == "description" and isinstance(value, str) else _clean(value)
        for key, value in part.items()
    }
