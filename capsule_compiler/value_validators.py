"""Values held against their schemas in one way, whether they are inputs, outputs or the answers of a test.

A `pattern` means there what it means in `matches` and where the compiler read it: RE2, and not the engine that comes
with the validator, which takes other characters for blanks and for parts of words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from somagent.governance.cel.patterns import PatternFault, Re2Form


class _Pattern:
    """The keyword `pattern`."""

    def __init__(self, parent_schema: object, value: str, schema_path: object) -> None:
        del parent_schema, schema_path
        try:
            self._pattern = Re2Form(value)
        except PatternFault as fault:
            raise ValueError(f"`pattern` is not a regular expression: {fault.message}") from None

    def validate(self, instance: object) -> None:
        """Raises `ValueError` with what is said of a text in which the pattern is nowhere found."""
        if isinstance(instance, str) and not self._pattern.search(instance):
            raise ValueError(f'{json.dumps(instance, ensure_ascii=False)} does not match "{self._pattern.text}"')


def value_validator(schema: Mapping[str, Any]) -> Any:
    """A validator of JSON Schema (2020-12); a wrong schema raises `jsonschema_rs.ValidationError` or `ValueError`."""
    return jsonschema_rs.Draft202012Validator(dict(schema), keywords={"pattern": _Pattern})
