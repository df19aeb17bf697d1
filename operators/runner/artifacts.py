"""Which values are artifacts: those of outputs that are declared as such, and nothing that merely looks like one.

An artifact's JSON names stored content by its digest. If any JSON of that form counted, whoever writes an input or a
script's output could read whatever is stored. So within a run artifacts are `Artifact` records, a class that no JSON
becomes by itself; they are made here, by the declared schema, and turned into JSON where values are written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.records import Artifact, artifact_of
from somagent.operators.runner.tree import ArtifactRefused, check_name

JsonSchema = Mapping[str, Any]


def read_artifact(value: Any) -> Artifact | None:
    """The artifact in the JSON of an output that is declared as one; None when it has not the form."""
    artifact = artifact_of(value)
    if artifact is not None:
        try:
            check_name(artifact.name)
        except ArtifactRefused:
            return None
    return artifact


def with_artifacts(outputs: Mapping[str, Any], schemas: Mapping[str, JsonSchema]) -> dict[str, Any]:
    """The outputs, with an `Artifact` wherever their schemas declare one, in lists and objects too."""
    return {name: _read(value, schemas.get(name, {})) for name, value in outputs.items()}


def holds_artifacts(schema: JsonSchema) -> bool:
    """Whether a schema declares an artifact, itself or in a list or an object."""
    if schema.get("type") == "artifact":
        return True
    inside = [schema.get("items"), schema.get("additionalProperties"), *schema.get("properties", {}).values()]
    return any(holds_artifacts(part) for part in inside if isinstance(part, Mapping))


def places_of_artifacts(value: Any, schema: JsonSchema) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Where in a value its schema declares artifacts, and what stands there."""
    if schema.get("type") == "artifact":
        yield (), value
        return
    inside: list[tuple[str | int, Any, JsonSchema]] = []
    if isinstance(value, list):
        inside = [(index, member, schema.get("items", {})) for index, member in enumerate(value)]
    elif isinstance(value, dict):
        inside = [(name, member, _member(schema, name)) for name, member in value.items()]
    for part, member, its in inside:
        for place, found in places_of_artifacts(member, its):
            yield (part, *place), found


def artifacts_in(plan: Plan, outputs: Mapping[str, Any], step: str = "") -> Iterator[tuple[str, Artifact]]:
    """The artifacts in the outputs of a run, or of one of its steps (or of an item of it), as the plan declares them.

    Each with its place: `site`, or `sites.0` in a list.
    """
    declared = {node.id: node.outputs for node in (*plan.nodes, *plan.finals)}
    yield from _places(with_artifacts(outputs, declared[step] if step else plan.output_schemas), "")


def held_artifacts(value: Any) -> set[Artifact]:
    """All `Artifact` records in a value, in lists, maps and records."""
    if isinstance(value, Artifact):
        return {value}
    if isinstance(value, Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple | set | frozenset):
        return set()
    return {artifact for part in value for artifact in held_artifacts(part)}


def _read(value: Any, schema: JsonSchema) -> Any:
    kind = schema.get("type")
    if kind == "artifact":
        artifact = read_artifact(value)
        return value if artifact is None else artifact
    if kind == "array" and isinstance(value, list):
        return [_read(member, schema.get("items", {})) for member in value]
    if kind == "object" and isinstance(value, dict):
        return {name: _read(member, _member(schema, name)) for name, member in value.items()}
    return value


def _member(schema: JsonSchema, name: str) -> JsonSchema:
    other = schema.get("additionalProperties")
    found: JsonSchema = schema.get("properties", {}).get(name, other if isinstance(other, Mapping) else {})
    return found


def _places(value: Any, place: str) -> Iterator[tuple[str, Artifact]]:
    if isinstance(value, Artifact):
        yield place, value
    elif isinstance(value, dict | list):
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(member, f"{place}.{name}" if place else str(name))
