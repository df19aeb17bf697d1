"""The functions and macros of the expression language, as editors show them."""

from __future__ import annotations

from typing import NamedTuple

from somagent.governance.cel import DYN, ListType, MapType, ObjectType, Type, show
from somagent.governance.cel.functions import FUNCTIONS, METHODS
from somagent.governance.cel.types import TypeVariable


class Word(NamedTuple):
    """A function or macro: how it is called, and what it gives."""

    name: str
    signature: str
    doc: str
    snippet: str


_DOCS = {
    "bool": "The bool that a text says: `true` or `false`.",
    "double": "As a number with fractions.",
    "dyn": "Leaves the type open: it is looked at when the step runs.",
    "int": "As a whole number; of a number with fractions, the part before the point.",
    "size": "How many items, members or characters.",
    "string": "As text.",
    "contains": "Whether the text holds the other one.",
    "startsWith": "Whether the text begins with the other one.",
    "endsWith": "Whether the text ends with the other one.",
    "matches": "Whether the regular expression (RE2) is found in the text.",
}
_HAS = Word("has", "has(object.member) -> bool", "Whether an object has a member that may be missing.", "has($1)")
_MACROS = (
    Word("all", "all(x, condition) -> bool", "Whether the condition holds for every item.", "all(${1:x}, $2)"),
    Word("exists", "exists(x, condition) -> bool", "Whether the condition holds for an item.", "exists(${1:x}, $2)"),
    Word(
        "exists_one",
        "exists_one(x, condition) -> bool",
        "Whether the condition holds for exactly one item.",
        "exists_one(${1:x}, $2)",
    ),
    Word("filter", "filter(x, condition) -> list", "The items for which the condition holds.", "filter(${1:x}, $2)"),
    Word("map", "map(x, value) -> list", "The value for each item.", "map(${1:x}, $2)"),
)


def functions() -> list[Word]:
    """What is called as `f(x)`."""
    return [*(_word(name, method=False) for name in FUNCTIONS), _HAS]


def methods(of: Type) -> list[Word]:
    """What is called as `x.f(...)`, over a value of a type."""
    fitting = [_word(name, method=True) for name in METHODS if any(_takes(o.parameters[0], of) for o in METHODS[name])]
    return [*fitting, *(_MACROS if isinstance(of, ListType | MapType | ObjectType) or of == DYN else ())]


def word(name: str) -> Word | None:
    """The function, method or macro of a name."""
    if name in FUNCTIONS:
        return _word(name, method=False)
    if name in METHODS:
        return _word(name, method=True)
    return next((one for one in (*_MACROS, _HAS) if one.name == name), None)


def _takes(parameter: Type, of: Type) -> bool:
    if of == DYN:
        return True
    if isinstance(of, ObjectType):
        return isinstance(parameter, MapType)
    return type(parameter) is type(of) and (isinstance(of, ListType | MapType) or parameter == of)


def _word(name: str, *, method: bool) -> Word:
    overloads = (METHODS if method else FUNCTIONS)[name]
    lines = []
    for one in overloads:
        taken = [_shown(part) for part in one.parameters]
        call = f"{taken[0]}.{name}({', '.join(taken[1:])})" if method else f"{name}({', '.join(taken)})"
        lines.append(f"{call} -> {_shown(one.result)}")
    more = max(len(one.parameters) for one in overloads) - method
    return Word(name, "\n".join(lines), _DOCS.get(name, ""), f"{name}($1)" if more else f"{name}()")


def _shown(type_: Type) -> str:
    return "T" if isinstance(type_, TypeVariable) else show(type_)
