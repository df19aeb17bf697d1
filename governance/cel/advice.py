"""Wording of type errors: what was found, what CEL wants there, and the way out where one is known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from msgspec.structs import replace

from somagent.governance.cel.habits import unquoted
from somagent.governance.cel.syntax import Binary, Call, Expr, Index, Literal, Name, Select
from somagent.governance.cel.types import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    ListType,
    MapType,
    ObjectType,
    OpaqueType,
    SimpleType,
    Type,
    show,
)
from somagent.governance.cel.writer import write, write_field, write_target
from somagent.governance.documents import Diagnostic, Edit, Span, nearest

_CONVERTIBLE: dict[Type, tuple[Type, ...]] = {
    STRING: (INT, DOUBLE, BOOL),
    DOUBLE: (INT, STRING),
    INT: (DOUBLE, STRING),
}
_BRIEF = 40
_ORDERING = frozenset({"==", "!=", "<", "<=", ">", ">="})
_VERBS = {"==": "compare", "!=": "compare", "<": "order", "<=": "order", ">": "order", ">=": "order", "+": "add"}
_VERBS |= {"-": "subtract", "*": "multiply", "/": "divide", "%": "divide"}


def wrap(expr: Expr, function: str) -> Edit:
    """The edit that makes an expression of another type: 2 becomes 2.0, anything else goes into `function(...)`."""
    if function == "double" and isinstance(expr, Literal) and expr.raw.isdecimal():
        return Edit(expr.span, f"{expr.raw}.0", f"write {expr.raw}.0", safe=True)
    return Edit(expr.span, f"{function}({write(expr)})", f"wrap it in {function}(...)")


def binary(expr: Binary, left: Type, right: Type) -> Diagnostic:
    """No signature of `expr.operator` fits `left` and `right`."""
    operator, found = expr.operator, f"{show(left)} and {show(right)}"
    if operator in ("&&", "||"):
        side, type_ = (expr.left, left) if left not in (BOOL, DYN) else (expr.right, right)
        message = f"`{operator}` wants bool on both sides, not {show(type_)}"
        return _mismatch(message, side.span, help_=truth(type_, side))
    if operator == "in":
        return _mismatch(f"`in` cannot look for {show(left)} in {show(right)}", expr.operator_span, *_in(expr, right))
    message = f"`{operator}` cannot {_VERBS[operator]} {found}"
    if NULL in (left, right) and operator in ("==", "!="):
        other = right if left == NULL else left
        help_ = f"{show(other)} is never null; to ask whether a field is there, use has(...)"
        return _mismatch(message, expr.operator_span, help_)
    if {left, right} == {INT, DOUBLE}:
        if operator == "%":
            return _mismatch(message, expr.operator_span, "`%` takes two ints")
        whole = expr.left if left == INT else expr.right
        edit = wrap(whole, "double")
        help_ = f"CEL never converts by itself: write {edit.text}"
        return _mismatch(message, expr.operator_span, help_, edit)
    if operator in _ORDERING:
        bare = unquoted(expr.right, left) or unquoted(expr.left, right)
        if bare is not None:
            return _mismatch(message, bare.span, bare.title, bare)
    if operator in ("+", "==", "!=") and STRING in (left, right):
        other, side = (right, expr.right) if left == STRING else (left, expr.left)
        if other in _CONVERTIBLE[STRING]:
            edit = wrap(side, "string")
            return _mismatch(message, expr.operator_span, f"CEL never converts by itself: write {edit.text}", edit)
    return _mismatch(message, expr.operator_span, _plain_help(operator, left, right))


def _in(expr: Binary, right: Type) -> tuple[str, Edit | None]:
    if right == STRING:
        call = f"{write_target(expr.right)}.contains({write(expr.left)})"
        return f"`in` looks in lists and maps; in a string, {call}", Edit(expr.span, call, "use contains")
    if isinstance(right, ListType | MapType):
        return "the value must have the type of the list's items or of the map's keys", None
    return "`in` looks in lists and maps", None


def _plain_help(operator: str, left: Type, right: Type) -> str:
    for type_ in (left, right):
        if isinstance(type_, OpaqueType):
            return f"{show(type_)} can be passed on and compared with == and !=, nothing else"
    if operator in ("==", "!="):
        return "values of different types are never equal; when that is meant, wrap one side in dyn(...)"
    if operator == "+":
        return "`+` adds numbers, joins strings and joins lists, both sides of one type"
    if operator == "%":
        return "`%` takes two ints"
    if operator in ("-", "*", "/"):
        return f"`{operator}` takes two ints or two doubles"
    return "ordered are ints, doubles, strings and bools, both sides of one type"


def truth(type_: Type, expr: Expr) -> str:
    """How a value of this type is made a condition."""
    shown = write_target(expr)
    if len(shown) > _BRIEF:
        shown = "x"
    if type_ == STRING:
        return f'compare it: {shown} != ""'
    if type_ in (INT, DOUBLE):
        return f"compare it: {shown} != 0" if type_ == INT else f"compare it: {shown} != 0.0"
    if isinstance(type_, ListType | MapType):
        return f"ask for its size: size({shown}) > 0"
    return "a condition is true or false"


def unary(operator: str, operand: Expr, type_: Type) -> Diagnostic:
    """`!` or `-` before something else than a bool or a number."""
    if operator[0] == "!":
        return _mismatch(f"`!` wants bool, not {show(type_)}", operand.span, truth(type_, operand))
    return _mismatch(f"`-` wants int or double, not {show(type_)}", operand.span)


def branches(yes: Expr, no: Expr, yes_type: Type, no_type: Type) -> Diagnostic:
    """The two results of `? :` have no type in common."""
    message = f"both results of `? :` need one type; these are {show(yes_type)} and {show(no_type)}"
    if {yes_type, no_type} == {INT, DOUBLE}:
        edit = wrap(yes if yes_type == INT else no, "double")
        return _mismatch(message, no.span, f"CEL never converts by itself: write {edit.text}", edit)
    return _mismatch(message, no.span, "when the result may be of either type, wrap one in dyn(...)")


def condition(where: str, expr: Expr, type_: Type) -> Diagnostic:
    """Something else than bool where a condition stands."""
    return _mismatch(f"{where} wants bool, not {show(type_)}", expr.span, truth(type_, expr))


def index(expr: Index, operand: Type, key: Type) -> Diagnostic:
    """`operand[key]` of types that do not go together."""
    if isinstance(operand, ListType):
        return _mismatch(f"a list is indexed by int, not {show(key)}", expr.index.span)
    if isinstance(operand, MapType | ObjectType):
        wanted = operand.key if isinstance(operand, MapType) else STRING
        return _mismatch(f"{show(operand)} is indexed by {show(wanted)}, not {show(key)}", expr.index.span)
    return _mismatch(f"{show(operand)} cannot be indexed", expr.operand.span, "`[...]` works on lists and maps")


def macro_range(macro: str, target: Expr, type_: Type) -> Diagnostic:
    """A macro on something else than a list or a map."""
    return _mismatch(f"`{macro}` works on a list or a map, not on {show(type_)}", target.span)


def call(expr: Call, types: tuple[Type, ...], *, alone: bool) -> Diagnostic:
    """A known function with arguments it does not take; `alone` tells that it is the whole expression."""
    if expr.function == "contains" and isinstance(types[0], ListType) and len(types) == 2:
        text, item = (expr.target, expr.arguments[0]) if expr.target is not None else expr.arguments
        asked = f"{write_target(item)} in {write_target(text)}"
        edit = Edit(expr.span, asked if alone else f"({asked})", f"write {asked}")
        message = "`contains` looks in text; an item of a list is looked for with `in`"
        return _mismatch(message, expr.function_span, f"write {asked}", edit)
    found = ", ".join(map(show, types))
    message = f"`{expr.function}` cannot take {found}"
    return _mismatch(message, expr.function_span, _CALL_HELP.get(expr.function, ""))


_CALL_HELP = {
    "bool": "bool(...) takes a bool or a string",
    "contains": "text.contains(part) takes two strings; for a list use `item in list`",
    "double": "double(...) takes a double, an int or a string",
    "endsWith": "text.endsWith(end) takes two strings",
    "int": "int(...) takes an int, a double or a string; for a bool write x ? 1 : 0",
    "matches": "text.matches(pattern) takes two strings",
    "size": "size(...) takes a string, a list or a map",
    "startsWith": "text.startsWith(start) takes two strings",
    "string": "string(...) takes a string, a bool, an int or a double",
}


def unknown_field(type_: ObjectType, name: str, span: Span, *, quoted: bool = False) -> Diagnostic:
    """A member that the object has not, reported under the object's own fault and in its own words.

    `quoted` tells that the name is written as a string.
    """
    message = f"{type_.title} has no {type_.member} `{name}`"
    known = type_.fields if type_.fault == "unknown-member" else filter(str.isidentifier, type_.fields)
    return _suggest(type_.fault, message, span, name, tuple(known), written='"{}"'.format if quoted else write_field)


def no_fields(expr: Select, type_: Type) -> Diagnostic:
    """A field of something that has none."""
    message = f"{show(type_)} has no field `{expr.field}`"
    if _ELSEWHERE.get(expr.field) == "size" and (isinstance(type_, ListType | MapType) or type_ == STRING):
        edit = Edit(expr.span, f"size({write(expr.operand)})", "write `size`")
        return Diagnostic("unknown-member", message, expr.field_span, help=f"write {edit.text}", edit=edit)
    if isinstance(type_, ListType) and (type_.item == DYN or isinstance(type_.item, ObjectType | MapType)):
        better = f"{write_target(expr.operand)}.map(x, x.{expr.field})"
        help_ = f"the fields are those of its items: [0].{expr.field} for one, {better} for all"
        return Diagnostic("unknown-member", message, expr.field_span, help=help_, edit=Edit(expr.span, better, better))
    if isinstance(type_, OpaqueType):
        help_ = f"{show(type_)} can be passed on and compared, nothing else"
        return Diagnostic("unknown-member", message, expr.field_span, help=help_)
    return Diagnostic("unknown-member", message, expr.field_span)


def unknown_name(expr: Name, known: Iterable[str], functions: Iterable[str]) -> Diagnostic:
    """A name that neither the scope nor a macro has."""
    if expr.name in functions:
        help_ = f"it is a function: {expr.name}(...)"
        return Diagnostic("unknown-name", f"`{expr.name}` is not a value", expr.span, help=help_)
    return _suggest("unknown-name", f"there is no `{expr.name}` here", expr.span, expr.name, known)


_ELSEWHERE = {
    **dict.fromkeys(("len", "length", "count"), "size"),
    **dict.fromkeys(("any", "some"), "exists"),
    **dict.fromkeys(("str", "toString"), "string"),
    **dict.fromkeys(("match", "test"), "matches"),
    "every": "all",
    "float": "double",
    "includes": "contains",
    "parseInt": "int",
}
"""What functions are called in other languages."""


def unknown_function(name: str, span: Span, known: Iterable[str]) -> Diagnostic:
    """A function that does not exist."""
    known = tuple(known)
    return _suggest(
        "unknown-function", f"there is no function `{name}`", span, meant_function(name, known) or name, known
    )


def meant_function(name: str, known: Collection[str]) -> str | None:
    """The function that is meant by a name, if one is likely."""
    elsewhere = _ELSEWHERE.get(name)
    return elsewhere if elsewhere in known else nearest(name, known)


def other_form(expr: Call, form: str) -> Diagnostic:
    """A known function, called the wrong way round; `form` is the right call."""
    edit = Edit(expr.span, form, f"write {form}")
    return Diagnostic("unknown-function", f"`{expr.function}` is written {form}", expr.function_span, edit=edit)


def wanted(expr: Expr, found: Type, wants: Type) -> Diagnostic:
    """A whole expression of another type than its place wants."""
    message = f"this is {show(found)}, but {show(wants)} is wanted here"
    edit = unquoted(expr, wants)
    if edit is not None:
        return Diagnostic("type-mismatch", message, expr.span, help=edit.title, edit=edit)
    if found in _CONVERTIBLE.get(wants, ()) and isinstance(wants, SimpleType):
        edit = wrap(expr, wants.name)
        return Diagnostic("type-mismatch", message, expr.span, help=f"write {edit.text}", edit=edit)
    return Diagnostic("type-mismatch", message, expr.span, help=truth(found, expr) if wants == BOOL else "")


def suggesting(diagnostic: Diagnostic, name: str) -> Diagnostic:
    """The diagnostic of an unknown name, with another suggestion."""
    edit = diagnostic.edit
    if edit is None:
        return diagnostic
    text = f'"{name}"' if edit.text.startswith('"') else write_field(name)
    return replace(diagnostic, note=f"did you mean `{name}`?", edit=replace(edit, text=text, title=f"write `{name}`"))


def _suggest(
    fault: str, message: str, span: Span, name: str, known: Iterable[str], *, written: Callable[[str], str] = str
) -> Diagnostic:
    near = nearest(name, known)
    if near is not None:
        edit = Edit(span, written(near), f"write `{near}`")
        return Diagnostic(fault, message, span, note=f"did you mean `{near}`?", edit=edit)
    names = sorted(known)
    shown = ", ".join(f"`{one}`" for one in names[:8]) + (", ..." if len(names) > 8 else "")
    help_ = f"there {'is only' if len(names) == 1 else 'are'} {shown}" if names else ""
    return Diagnostic(fault, message, span, help=help_)


def _mismatch(message: str, span: Span, help_: str = "", edit: Edit | None = None) -> Diagnostic:
    return Diagnostic("no-matching-overload", message, span, help=help_, edit=edit)
