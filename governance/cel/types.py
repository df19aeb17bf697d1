"""What an expression can be: closed, immutable, comparable types, so that a checked plan can carry them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

Constant: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class SimpleType:
    """A type without parts; the instances are the constants below.

    `values` closes it: a value is one of them, as the `enum` of a schema says. Types are equal with it or without, so
    what it says holds only where the type was declared, never where types were made one (see `closed_values`).
    """

    name: str
    values: tuple[Constant, ...] | None = field(default=None, compare=False)


class ListType(Struct, frozen=True):
    """A list whose items all have one type (`DYN` when they differ)."""

    item: Type


class MapType(Struct, frozen=True):
    """A map; keys are bool, int or string, as CEL says."""

    key: Type
    value: Type


class Field(Struct, frozen=True):
    """One member of an object. `required` is False when a value of the object may lack it."""

    type: Type
    required: bool = True
    doc: str = ""


class Members(dict[str, Field]):
    """The members of a type that has a name, which may hold that type again, at any depth.

    They are the same as those of the same `meaning`, so that nobody walks through them to compare: a type that holds
    itself has no end, and one that is named in many places is large when it is written out. Filled once, by who makes
    the type, and never changed after that.
    """

    __slots__ = ("meaning", "name")

    def __init__(self, name: str, meaning: str) -> None:
        """What the type is called, and what tells it from all others."""
        super().__init__()
        self.name = name
        self.meaning = meaning

    def __eq__(self, other: object) -> bool:
        """By meaning; members without a name are compared one by one."""
        return self.meaning == other.meaning if isinstance(other, Members) else dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        """Not the same."""
        return not self == other

    __hash__ = None


class ObjectType(Struct, frozen=True):
    """A JSON object with known members.

    An unknown member is reported as a diagnostic named `fault`, worded "`title` has no `member` `x`": with title
    "step `test`" and member "output" it reads "step `test` has no output `covrage`".
    """

    fields: Mapping[str, Field]
    title: str = "this object"
    member: str = "field"
    fault: str = "unknown-member"

    def __post_init__(self) -> None:
        """Keep the members from being changed through the caller's dict."""
        if not isinstance(self.fields, Members):
            force_setattr(self, "fields", MappingProxyType(dict(self.fields)))

    def __hash__(self) -> int:
        """Agrees with equality: members are compared in any order."""
        return hash((self.title, self.member, self.fault, frozenset(self.fields)))


class OpaqueType(Struct, frozen=True):
    """A value that can be passed on and compared, and nothing else (an artifact)."""

    name: str


class TypeVariable(Struct, frozen=True):
    """A type not known yet, while an expression is being checked; never part of a checked result."""

    number: int


Type: TypeAlias = SimpleType | ListType | MapType | ObjectType | OpaqueType | TypeVariable

BOOL = SimpleType("bool")
INT = SimpleType("int")
DOUBLE = SimpleType("double")
STRING = SimpleType("string")
NULL = SimpleType("null")
DYN = SimpleType("dyn")
ERROR = SimpleType("error")
"""The type of what was already reported: it fits everywhere, so that one mistake is said once."""

_FIELDS_SHOWN = 4


def closed_parts(type_: Type) -> Hashable:
    """The closed lists of values inside a type, which equality does not look at; None when there are none."""
    if isinstance(type_, SimpleType):
        return type_.values
    match type_:
        case ListType(item) | MapType(_, item):
            return closed_parts(item)
        case ObjectType(Members(meaning=meaning)):
            return meaning
        case ObjectType(fields):
            parts = tuple((name, part) for name, one in fields.items() if (part := closed_parts(one.type)) is not None)
            return parts or None
        case _:
            return None


def show(type_: Type, depth: int = 1) -> str:
    """The type in a message: `list(map(string, int))`, `{name: string, goal?: string}`, `artifact`, or its name."""
    match type_:
        case ListType(item):
            return f"list({show(item, depth)})"
        case MapType(key, value):
            return f"map({show(key, depth)}, {show(value, depth)})"
        case ObjectType(Members(name=name)):
            return name
        case ObjectType(fields) if depth:
            shown = [
                f"{name}{'' if field.required else '?'}: {show(field.type, depth - 1)}"
                for name, field in list(fields.items())[:_FIELDS_SHOWN]
            ]
            return "{" + ", ".join([*shown, *["..."] * (len(fields) > _FIELDS_SHOWN)]) + "}"
        case ObjectType():
            return "{...}"
        case TypeVariable():
            return "dyn"
        case _:
            return type_.name
