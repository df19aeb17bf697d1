"""Values held against their schemas in one way, whether they are inputs, outputs or the answers of a test.

A `pattern` means there what it means in `matches` and where the compiler read it: RE2, and not the engine that comes
with the validator, which takes other characters for blanks and for parts of words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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


def value_validator(schema: Mapping[str, Any], is_artifact: Callable[[object], bool] | None = None) -> Any:
    """A validator of JSON Schema (2020-12); a wrong schema raises `jsonschema_rs.ValidationError` or `ValueError`.

    What a schema declares as an artifact, also in a list or an object, is what `is_artifact` takes; else anything is.
    """

    class Artifact:
        def __init__(self, parent_schema: object, value: object, schema_path: object) -> None:
            del parent_schema, value, schema_path

        def validate(self, instance: object) -> None:
            if is_artifact is not None and not is_artifact(instance):
                raise ValueError("this must be an artifact")

    return jsonschema_rs.Draft202012Validator(_standard(schema), keywords={"pattern": _Pattern, _ARTIFACT: Artifact})


_ARTIFACT = "somagentArtifact"


def _standard(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with a keyword in place of the type that JSON Schema has not."""
    if schema.get("type") == "artifact":
        return {_ARTIFACT: True}
    standard = dict(schema)
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), Mapping):
            standard[keyword] = _standard(schema[keyword])
    if "properties" in schema:
        standard["properties"] = {name: _standard(part) for name, part in schema["properties"].items()}
    return standard
