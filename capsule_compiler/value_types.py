"""The named schemas of a capsule as types: each worked out once, however often and however deep it is referred to.

An object type that has a name may hold itself: its members are made first and filled later, and what is inside leads
back to them. A list that holds itself and no object between has no finite form, so such a reference is `dyn`; which
references those are does not depend on where one begins to read. The same holds for what lies deeper than `MAX_HEIGHT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from somagent.governance.cel import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Field,
    ListType,
    MapType,
    Members,
    ObjectType,
    OpaqueType,
    SimpleType,
    Type,
)

JsonSchema = Mapping[str, Any]
ARTIFACT = OpaqueType("artifact")
SECRET = OpaqueType("secret")
MAX_HEIGHT = 64
REF = "#/types/"

_SIMPLE: dict[str, Type] = {
    "string": STRING,
    "integer": INT,
    "number": DOUBLE,
    "boolean": BOOL,
    "null": NULL,
    "artifact": ARTIFACT,
    "secret": SECRET,
}
_NAMES = {simple: name for name, simple in _SIMPLE.items()}


class _Built(NamedTuple):
    type: Type
    height: int


_OPEN = _Built(DYN, 0)


class ValueTypes:
    """Types of schemas, and schemas of types, over one set of named schemas."""

    def __init__(self, named: Mapping[str, JsonSchema]) -> None:
        self._named = named
        self._known: dict[str, _Built] = {}
        self._ready = False

    def type_of(self, schema: JsonSchema, title: str = "") -> Type:
        """The type of the values that a schema allows; what a schema leaves open is `dyn`."""
        return self._build(schema, title, frozenset()).type

    def schema_of(self, type_: Type) -> dict[str, Any]:
        """A schema that allows the values of a type; the way back, as far as types tell."""
        match type_:
            case ObjectType(Members(name=name)):
                return {"$ref": REF + name} if name in self._named else {"type": "object"}
            case ListType(item):
                return {"type": "array", "items": self.schema_of(item)}
            case MapType(_, value):
                inside = self.schema_of(value)
                return {"type": "object", "additionalProperties": inside} if inside else {"type": "object"}
            case ObjectType(fields):
                return {
                    "type": "object",
                    "properties": {name: self.schema_of(member.type) for name, member in fields.items()},
                    "required": [name for name, member in fields.items() if member.required],
                }
            case _:
                return {"type": _NAMES[type_]} if type_ in _NAMES else {}

    def _build_named(self) -> None:
        self._ready = True
        graph = {
            name: [ref for ref in references_of(schema) if ref in self._named] for name, schema in self._named.items()
        }
        written = blake2b(repr(sorted(self._named.items())).encode(), digest_size=16).hexdigest()
        for circle in circles(graph):
            objects = [name for name in circle if self._named[name].get("properties")]
            members = {name: Members(name, f"{name} {written}") for name in objects}
            for name in objects:
                self._known[name] = _Built(ObjectType(members[name], f"type `{name}`"), 1)
            others = {name: [ref for ref in graph[name] if ref in circle] for name in circle if name not in objects}
            for inner in circles({name: [ref for ref in refs if ref in others] for name, refs in others.items()}):
                inside = frozenset(inner) if len(inner) > 1 or inner[0] in others[inner[0]] else frozenset()
                for name in inner:
                    self._known[name] = self._build(self._named[name], f"type `{name}`", inside)
            for name in objects:
                built = self._build(self._named[name], f"type `{name}`", frozenset())
                if isinstance(built.type, ObjectType):
                    members[name].update(built.type.fields)
                self._known[name] = _Built(self._known[name].type, built.height)

    def _build(self, schema: JsonSchema, title: str, circle: frozenset[str]) -> _Built:
        reference = schema.get("$ref")
        if reference is not None:
            if not self._ready:
                self._build_named()
            name = str(reference).removeprefix(REF)
            return _OPEN if name in circle else self._known.get(name, _OPEN)
        kind = schema.get("type")
        if kind == "array":
            item = self._part(schema.get("items", {}), f"an item of {title}" if title else "", circle)
            return _Built(ListType(item.type), item.height + 1)
        if kind == "object":
            return self._object(schema, title, circle)
        type_ = _SIMPLE.get(str(kind), DYN)
        if "enum" in schema and isinstance(type_, SimpleType) and type_ != DYN:
            values = tuple(value for value in schema["enum"] if isinstance(value, str | int | float))
            type_ = SimpleType(type_.name, values)
        return _Built(type_, 0)

    def _object(self, schema: JsonSchema, title: str, circle: frozenset[str]) -> _Built:
        properties: Mapping[str, JsonSchema] = schema.get("properties") or {}
        if not properties:
            others = schema.get(
                "additionalProperties"
            )  # a schema only where a type was made one: authors say a boolean
            value = self._part(others, "", circle) if isinstance(others, Mapping) else _OPEN
            return _Built(MapType(STRING, value.type), value.height + 1)
        required = schema.get("required", ())
        parts = {name: self._part(part, f"`{name}`", circle) for name, part in properties.items()}
        fields = {
            name: Field(part.type, name in required, properties[name].get("description", ""))
            for name, part in parts.items()
        }
        height = 1 + max(part.height for part in parts.values())
        return _Built(ObjectType(fields, title or "this object", "field", "unknown-member"), height)

    def _part(self, schema: JsonSchema, title: str, circle: frozenset[str]) -> _Built:
        built = self._build(schema, title, circle)
        return built if built.height < MAX_HEIGHT else _OPEN


def references_of(schema: JsonSchema) -> Iterator[str]:
    """The names that a schema refers to, at any depth."""
    if "$ref" in schema:
        yield str(schema["$ref"]).removeprefix(REF)
    if "items" in schema:
        yield from references_of(schema["items"])
    for part in (schema.get("properties") or {}).values():
        yield from references_of(part)


def circles(graph: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """The strongly connected components of a graph, each after those that it leads to.

    R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972); without recursion, so that
    long chains need no deep stack.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            name, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(graph[successor])))
                    break
                if successor in on_stack:
                    low[name] = min(low[name], index[successor])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[name])
                if low[name] == index[name]:
                    at = _last_index(stack, name)
                    component = tuple(stack[at:])
                    del stack[at:]
                    on_stack.difference_update(component)
                    yield component


def _last_index(stack: list[str], name: str) -> int:
    at = len(stack) - 1
    while stack[at] != name:
        at -= 1
    return at
