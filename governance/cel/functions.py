"""Every operator and function of the subset with its signatures, in the order of CEL's standard library.

The order matters only where nothing is known of an operand (`[][0] + [][0]`): the first that fits tells its type. The
unsigned signatures fit nothing but `dyn`; they are here because CEL has them, so that `dyn % dyn` stays `dyn`.
"""

from __future__ import annotations

from somagent.governance.cel.inference import Overload
from somagent.governance.cel.types import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    STRING,
    ListType,
    MapType,
    SimpleType,
    Type,
    TypeVariable,
)

_A, _B = TypeVariable(-1), TypeVariable(-2)
_UINT = SimpleType("uint")


def _same(*types: Type) -> tuple[Overload, ...]:
    return tuple(Overload((type_, type_), type_) for type_ in types)


_ORDER = tuple(Overload((type_, type_), BOOL) for type_ in (INT, _UINT, DOUBLE, BOOL, STRING))
_EQUAL = (Overload((_A, _A), BOOL),)
_LOGIC = (Overload((BOOL, BOOL), BOOL),)

BINARY: dict[str, tuple[Overload, ...]] = {
    "+": _same(INT, DOUBLE, _UINT, STRING, ListType(_A)),
    "-": _same(INT, _UINT, DOUBLE),
    "*": _same(INT, _UINT, DOUBLE),
    "/": _same(INT, _UINT, DOUBLE),
    "%": _same(INT, _UINT),
    "<": _ORDER,
    "<=": _ORDER,
    ">": _ORDER,
    ">=": _ORDER,
    "==": _EQUAL,
    "!=": _EQUAL,
    "in": (Overload((_A, ListType(_A)), BOOL), Overload((_A, MapType(_A, _B)), BOOL)),
    "&&": _LOGIC,
    "||": _LOGIC,
}
_NEGATE = (Overload((INT,), INT), Overload((DOUBLE,), DOUBLE))
_NOT = (Overload((BOOL,), BOOL),)
UNARY: dict[str, tuple[Overload, ...]] = {"!": _NOT, "!!": _NOT, "-": _NEGATE, "--": _NEGATE}
INDEX = (Overload((ListType(_A), INT), _A), Overload((MapType(_A, _B), _A), _B))
CONDITIONAL = (Overload((BOOL, _A, _A), _A),)

_SIZE = tuple(Overload((type_,), INT) for type_ in (ListType(_A), MapType(_A, _B), STRING))
_TEXT = (Overload((STRING, STRING), BOOL),)


def _from(result: Type, *types: Type) -> tuple[Overload, ...]:
    return tuple(Overload((type_,), result) for type_ in types)


FUNCTIONS: dict[str, tuple[Overload, ...]] = {
    "bool": _from(BOOL, BOOL, STRING),
    "double": _from(DOUBLE, DOUBLE, INT, STRING),
    "dyn": _from(DYN, _A),
    "int": _from(INT, INT, DOUBLE, STRING),
    "matches": _TEXT,
    "size": _SIZE,
    "string": _from(STRING, STRING, BOOL, DOUBLE, INT),
}
"""Called as `f(x)`."""

METHODS: dict[str, tuple[Overload, ...]] = {
    "contains": _TEXT,
    "endsWith": _TEXT,
    "matches": _TEXT,
    "size": _SIZE,
    "startsWith": _TEXT,
}
"""Called as `x.f(...)`; the first parameter is `x`."""

UNSUPPORTED = frozenset(
    {"bytes", "duration", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours"}
    | {"getMilliseconds", "getMinutes", "getMonth", "getSeconds", "timestamp", "type", "uint"}
)
"""Functions of CEL that this subset leaves out."""
