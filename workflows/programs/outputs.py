"""Outputs as a type of the program: held against the plan before the run, and against the values after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from somagent.capsule_compiler.plan import Plan
from somagent.governance.documents import nearest
from somagent.operators.runner.artifacts import with_artifacts
from somagent.workflows.engines.protocol import RunView

T = TypeVar("T")
_Schema = Mapping[str, Any]

# What JSON Schema calls the values that a type takes; what is not here may take anything.
_TAKES: dict[type[inspect.Type], frozenset[str]] = {
    inspect.BoolType: frozenset({"boolean"}),
    inspect.IntType: frozenset({"integer", "number"}),
    inspect.FloatType: frozenset({"integer", "number"}),
    inspect.StrType: frozenset({"string"}),
    inspect.NoneType: frozenset({"null"}),
    inspect.ListType: frozenset({"array"}),
    inspect.SetType: frozenset({"array"}),
    inspect.VarTupleType: frozenset({"array"}),
    inspect.DictType: frozenset({"object"}),
    inspect.StructType: frozenset({"object", "artifact"}),
    inspect.DataclassType: frozenset({"object"}),
    inspect.TypedDictType: frozenset({"object"}),
}


class OutputsRefused(Exception):
    """The outputs of a capsule do not fit the type that they were asked for as; `problems` says each in a line."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def check_outputs(plan: Plan, wanted: type[Any] | None) -> None:
    """Raises `OutputsRefused` where no outputs of the plan can fit, and `TypeError` for a type that names no fields."""
    if wanted is None:
        return
    named = _fields(inspect.type_info(wanted))
    if named is None:
        raise TypeError(f"`outputs` takes a msgspec Struct, a dataclass or a TypedDict, not `{wanted.__name__}`")
    problems: list[str] = []
    for field in named:
        place = f"`{wanted.__name__}.{field.name}`"
        schema = plan.output_schemas.get(field.encode_name)
        if schema is not None:
            problems += [
                f"{place}{fault}" for fault in _faults(field.type, schema, plan.types, f"`{field.encode_name}`")
            ]
        elif field.encode_name not in plan.outputs and field.required:
            problems.append(f"{place}: {_unknown(plan, field.encode_name)}")
    if problems:
        raise OutputsRefused(tuple(problems))


def outputs_of(view: RunView, wanted: type[T] | None) -> T:
    """The outputs of a run that succeeded; raises `OutputsRefused`."""
    values = with_artifacts(view.outputs, view.plan.output_schemas)
    if wanted is None:
        return cast("T", values)
    try:
        return msgspec.convert(values, wanted)
    except msgspec.ValidationError as error:
        raise OutputsRefused((f"the outputs of {view.run.id} are no `{wanted.__name__}`: {error}",)) from None


def _unknown(plan: Plan, name: str) -> str:
    near = nearest(name, plan.outputs)
    known = ", ".join(f"`{one}`" for one in plan.outputs) or "none"
    return f"the capsule has no output `{name}`; " + (f"did you mean `{near}`?" if near else f"its outputs: {known}")


def _fields(info: inspect.Type) -> tuple[inspect.Field, ...] | None:
    if isinstance(info, inspect.StructType | inspect.DataclassType | inspect.TypedDictType):
        return info.fields
    return None


def _faults(info: inspect.Type, schema: _Schema, types: _Schema, name: str) -> Iterator[str]:
    """What can never fit; where one value may, nothing: the values tell after the run."""
    schema = _resolved(schema, types)
    kinds = _kinds(schema)
    takes = _takes(info)
    if kinds and takes is not None and not kinds & takes:
        yield f": {name} is of type {' or '.join(sorted(kinds))}, which is no {_words(info)}"
        return
    if isinstance(info, inspect.ListType) and isinstance(schema.get("items"), Mapping):
        yield from _faults(info.item_type, schema["items"], types, f"an item of {name}")
    members = schema.get("properties")
    if not isinstance(members, Mapping) or "artifact" in kinds:
        return
    for field in _fields(info) or ():
        own = members.get(field.encode_name)
        if own is not None:
            for fault in _faults(field.type, own, types, f"`{field.encode_name}` of {name}"):
                yield f".{field.name}{fault}"
        elif field.required and schema.get("additionalProperties") is False:
            yield f".{field.name}: {name} has no field `{field.encode_name}`"


def _resolved(schema: _Schema, types: _Schema) -> _Schema:
    seen = 0
    while "$ref" in schema and seen < len(types) + 1:
        schema, seen = types.get(str(schema["$ref"]).rpartition("/")[2], {}), seen + 1
    return schema


def _kinds(schema: _Schema) -> frozenset[str]:
    """Which types of JSON the values have; empty when that is not said."""
    said = schema.get("type")
    return frozenset({said} if isinstance(said, str) else said if isinstance(said, list) else ())


def _takes(info: inspect.Type) -> frozenset[str] | None:
    """Which types of JSON this one can take; None when that is not known."""
    if isinstance(info, inspect.UnionType):
        every = [_takes(one) for one in info.types]
        return None if None in every else frozenset[str]().union(*(one for one in every if one is not None))
    return _TAKES.get(type(info))


def _words(info: inspect.Type) -> str:
    if isinstance(info, inspect.StructType | inspect.DataclassType | inspect.TypedDictType):
        return f"`{info.cls.__name__}`"
    if isinstance(info, inspect.UnionType):
        return " or ".join(_words(one) for one in info.types)
    return f"`{type(info).__name__.removesuffix('Type').lower()}`"
