"""Comparisons that can have one result only, since what is compared has a closed list of values (`enum`).

Inference makes types one and forgets which of them were closed, so the values are followed here on their own, through
members, items, `? :`, lists and macros, from the declarations on. Whatever is not followed may have any value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from somagent.governance.cel.syntax import (
    Binary,
    Conditional,
    Expr,
    Index,
    ListLiteral,
    Literal,
    Macro,
    Name,
    Select,
)
from somagent.governance.cel.types import STRING, Constant, ListType, MapType, ObjectType, SimpleType, Type
from somagent.governance.cel.writer import write
from somagent.governance.documents import Diagnostic, Edit, nearest

_SHOWN = 8

Variables = tuple[tuple[str, Expr], ...]
"""Of the macros around an expression, from the outermost: the variable and what it walks over."""


def never_equal(expr: Binary, scope: Mapping[str, Type], variables: Variables) -> Iterator[Diagnostic]:
    """What is wrong with a well-typed `==`, `!=` or `in` whose result is always the same."""
    declared = _Declared(scope, variables)
    left = declared.type_of(expr.left)
    right = declared.type_of(expr.right)
    if expr.operator == "in":
        right = right.item if isinstance(right, ListType) else None
    found = [*_wrong(expr.left, expr.right, right), *_wrong(expr.right, expr.left, left)]
    yield from found
    if found or _is_constant(expr.left) or _is_constant(expr.right):
        return
    ours, theirs = _values(left), _values(right)
    if ours and theirs and not any(value in theirs for value in ours):
        message = f"`{write(expr.left)}` and `{write(expr.right)}` are never equal: they have no value in common"
        help_ = f"the first is {listed(ours)}, the second {listed(theirs)}"
        yield Diagnostic("never-equal", message, expr.operator_span, help=help_)


def _wrong(constants: Expr, other: Expr, type_: Type | None) -> Iterator[Diagnostic]:
    """The constants of one side that the other side never is."""
    values = _values(type_)
    if not values or _is_constant(other):  # a list without values has been reported
        return
    for one in _constants(constants):
        if one.value not in values:
            yield _never(one, other, values)


def _never(constant: Literal, other: Expr, values: tuple[Constant, ...]) -> Diagnostic:
    message = f"`{write(other)}` is never {constant.raw}"
    help_ = f"it is {listed(values)}"
    texts = [value for value in values if isinstance(value, str)]
    near = nearest(constant.value, texts) if isinstance(constant.value, str) else None
    if near is None or not isinstance(constant.value, str):
        return Diagnostic("never-equal", message, constant.span, help=help_)
    quote = constant.raw[0] if constant.raw[0] in "\"'" else '"'
    alike = [value for value in texts if value.lower() == constant.value.lower()]
    edit: Edit | None = Edit(
        constant.span, f"{quote}{near}{quote}", f"write {quote}{near}{quote}", safe=alike == [near]
    )
    if "\\" in near or quote in near:
        edit = None
    return Diagnostic("never-equal", message, constant.span, note=f'did you mean "{near}"?', help=help_, edit=edit)


def listed(values: Iterable[Constant]) -> str:
    """The values as a sentence ends with them: `"a", "b" or "c"`."""
    shown = [_shown(value) for value in values]
    if len(shown) > _SHOWN:
        shown = [*shown[:_SHOWN], "..."]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _shown(value: Constant) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _is_constant(expr: Expr) -> bool:
    if isinstance(expr, ListLiteral):
        return all(map(_is_constant, expr.items))
    return isinstance(expr, Literal)


def _constants(expr: Expr) -> Iterator[Literal]:
    match expr:
        case Literal():
            yield expr
        case Conditional(_, yes, no):
            yield from _constants(yes)
            yield from _constants(no)
        case ListLiteral(items):
            for item in items:
                yield from _constants(item)


def _values(type_: Type | None) -> tuple[Constant, ...] | None:
    return type_.values if isinstance(type_, SimpleType) else None


class _Declared:
    """The types of expressions as far as declarations tell them, None where they do not."""

    def __init__(self, scope: Mapping[str, Type], variables: Variables) -> None:
        self._scope = scope
        self._variables = variables

    def type_of(self, expr: Expr) -> Type | None:
        match expr:
            case Select(operand, field):
                return _member(self.type_of(operand), field)
            case Name(name):
                return self._named(name)
            case Literal(value):
                return SimpleType(STRING.name, (value,)) if isinstance(value, str) else None
            case Index(operand, index):
                return self._item(operand, index)
            case Conditional(_, yes, no):
                return _join(self.type_of(yes), self.type_of(no))
            case ListLiteral(items) if items:
                return self._list(items)
            case Macro():
                return self._macro(expr)
            case Binary("+", _, left, right):
                both = self.type_of(left), self.type_of(right)
                return _join(*both) if all(isinstance(one, ListType) for one in both) else None
            case _:
                return None

    def _named(self, name: str) -> Type | None:
        for at in range(len(self._variables) - 1, -1, -1):
            known, walked = self._variables[at]
            if known == name:
                return _walked(_Declared(self._scope, self._variables[:at]).type_of(walked))
        return self._scope.get(name)

    def _item(self, operand: Expr, index: Expr) -> Type | None:
        if isinstance(index, Literal) and isinstance(index.value, str):
            return _member(self.type_of(operand), index.value)
        of = self.type_of(operand)
        return of.item if isinstance(of, ListType) else of.value if isinstance(of, MapType) else None

    def _list(self, items: Iterable[Expr]) -> Type | None:
        first, *rest = map(self.type_of, items)
        for other in rest:
            first = _join(first, other)
        return None if first is None else ListType(first)

    def _macro(self, expr: Macro) -> Type | None:
        if expr.macro not in ("map", "filter"):
            return None
        target = self.type_of(expr.target)
        if expr.macro == "filter":
            return target if isinstance(target, ListType) else None
        inner = _Declared(self._scope, (*self._variables, (expr.variable, expr.target)))
        body = inner.type_of(expr.body)
        return None if body is None else ListType(body)


def _walked(type_: Type | None) -> Type | None:
    return type_.item if isinstance(type_, ListType) else None


def _member(owner: Type | None, name: str) -> Type | None:
    if isinstance(owner, ObjectType):
        return owner.fields[name].type if name in owner.fields else None
    return owner.value if isinstance(owner, MapType) else None


def _join(one: Type | None, other: Type | None) -> Type | None:
    """The type of a value that is of either type."""
    if one is other:
        return one
    match one, other:
        case ListType(item), ListType(other_item):
            joined = _join(item, other_item)
            return None if joined is None else ListType(joined)
        case SimpleType(name, values), SimpleType(other_name, others) if values and others and name == other_name:
            return SimpleType(name, (*values, *(value for value in others if value not in values)))
        case _:
            return None
