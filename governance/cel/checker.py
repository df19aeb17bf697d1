"""Types before values: what an expression may use and what it gives, with every mistake of it reported once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from somagent.governance.cel import advice
from somagent.governance.cel.closed_values import never_equal
from somagent.governance.cel.functions import BINARY, CONDITIONAL, FUNCTIONS, INDEX, METHODS, UNARY, UNSUPPORTED
from somagent.governance.cel.habits import choice, hyphenated
from somagent.governance.cel.inference import WITHOUT_VARIABLES, Inference, Overload
from somagent.governance.cel.literals import place_inside
from somagent.governance.cel.parser import MACROS
from somagent.governance.cel.patterns import PatternFault, compile_pattern
from somagent.governance.cel.syntax import (
    Binary,
    Call,
    Conditional,
    Expr,
    Has,
    Index,
    ListLiteral,
    Literal,
    Macro,
    MapLiteral,
    Name,
    Select,
    Unary,
    children,
)
from somagent.governance.cel.types import (
    BOOL,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    ListType,
    MapType,
    ObjectType,
    SimpleType,
    Type,
    TypeVariable,
    show,
)
from somagent.governance.cel.writer import write, write_target
from somagent.governance.documents import Diagnostic, Label, Span, nearest_first

_MOST_TRIED = 8  # unknown names of an expression, and near names for each
_COMPARING = frozenset({"==", "!=", "in"})
_HABITS = {"||": choice, "-": hyphenated}
_PLAIN = frozenset({Name, Select, Literal})
_KEYS = (BOOL, INT, STRING, DYN, ERROR)
_LITERALS: dict[type, Type] = {bool: BOOL, int: INT, float: DOUBLE, str: STRING, type(None): NULL}


class OptionalMember(NamedTuple):
    """A member that an expression names, by a dot or in `has`, and that a value of its owner may lack."""

    expr: Select
    owner: ObjectType
    type: Type


class Checked(Struct, frozen=True):
    """The type of an expression, and what is wrong with it. With diagnostics, the type is the best guess."""

    type: Type
    diagnostics: tuple[Diagnostic, ...]
    optional: tuple[OptionalMember, ...]


def check(expr: Expr, scope: Mapping[str, Type], *, wanted: Type | None = None) -> Checked:
    """Type an expression over the names of `scope`; `wanted` is the type that its place needs.

    All mistakes are reported, each once: what was already reported fits everywhere.
    """
    found, checker = _checked(expr, scope, wanted, {})
    if checker.unknown:
        _prefer_what_fits(checker, lambda instead: len(_checked(expr, scope, wanted, instead)[1].diagnostics))
    return Checked(checker.inference.finish(found), tuple(checker.diagnostics), tuple(checker.optional))


def node_types(expr: Expr, scope: Mapping[str, Type]) -> dict[int, Type]:
    """The type of every node of an expression, by `id`: what editors show. `ERROR` where a mistake was reported."""
    _, checker = _checked(expr, scope, None, {})
    return {node: checker.inference.finish(found) for node, found in checker.types.items()}


def _checked(
    expr: Expr, scope: Mapping[str, Type], wanted: Type | None, instead: Mapping[Span, str]
) -> tuple[Type, _Checker]:
    checker = _Checker(scope, instead)
    checker.root = expr
    found = checker.check(expr)
    if wanted is not None:
        checker.want(expr, wanted)
    return found, checker


def _prefer_what_fits(checker: _Checker, mistakes_with: Callable[[Mapping[Span, str]], int]) -> None:
    """Of several near names, suggests the nearest with which the rest of the expression is right.

    That is found by checking the expression once more with each, so it holds wherever the name stands.
    """
    before = len(checker.diagnostics)
    for unknown in checker.unknown[:_MOST_TRIED]:
        names = nearest_first(unknown.name, unknown.known)[:_MOST_TRIED]
        fits = (name for name in names if mistakes_with({unknown.span: name}) < before)
        best = next(fits, None) if len(names) > 1 else None
        if best is not None:
            old = checker.diagnostics[unknown.at]
            checker.diagnostics[unknown.at] = advice.suggesting(old, best)


class _Unknown(NamedTuple):
    """A name that nothing has, where something near it was suggested."""

    at: int  # in the list of diagnostics
    span: Span
    name: str
    known: tuple[str, ...]


class _Checker:
    def __init__(self, scope: Mapping[str, Type], instead: Mapping[Span, str]) -> None:
        self.scope = scope
        self.root: Expr | None = None
        self.inner_rows: set[int] = set()  # parts of rows of `||`
        self.instead = instead  # names that are tried, by the place of what is written there
        self.unknown: list[_Unknown] = []
        self.variables: list[tuple[str, Type, Expr]] = []  # with what each walks over
        self.inference = Inference()
        self.diagnostics: list[Diagnostic] = []
        self.types: dict[int, Type] = {}
        self.optional: list[OptionalMember] = []

    def report(self, diagnostic: Diagnostic) -> Type:
        self.diagnostics.append(diagnostic)
        return ERROR

    def report_unknown(self, diagnostic: Diagnostic, name: str, known: Iterable[str]) -> Type:
        if diagnostic.edit is not None:
            self.unknown.append(_Unknown(len(self.diagnostics), diagnostic.span, name, tuple(known)))
        return self.report(diagnostic)

    def check(self, expr: Expr) -> Type:
        found = self.type_of(expr)
        if type(found) not in WITHOUT_VARIABLES:
            found = self.inference.resolve(found)
        self.types[id(expr)] = found
        return found

    def type_of(self, expr: Expr) -> Type:
        if isinstance(expr, Select):  # most nodes are these three
            return self.field(expr, self.check(expr.operand))
        if isinstance(expr, Name):
            return self.name(expr)
        if isinstance(expr, Literal):
            return _LITERALS[type(expr.value)]
        match expr:
            case Binary():
                return self.binary(expr)
            case Has(operand, field, field_span, span):
                found = self.field(Select(operand, field, field_span, span), self.check(operand))
                return ERROR if found == ERROR else BOOL
            case Index():
                return self.index(expr)
            case Call():
                return self.call(expr)
            case ListLiteral(items):
                return ListType(self.inference.common([self.check(item) for item in items]))
            case MapLiteral():
                return self.map_literal(expr)
            case Unary(operator, operand):
                found = self.check(operand)
                result = self.apply(UNARY[operator], found)
                return self.report(advice.unary(operator, operand, self.shown(found))) if result is None else result
            case Conditional():
                return self.conditional(expr)
            case Macro():
                return self.macro(expr)

    def apply(self, overloads: tuple[Overload, ...], *arguments: Type) -> Type | None:
        if ERROR in arguments:
            results = {overload.result for overload in overloads if len(overload.parameters) == len(arguments)}
            return results.pop() if results == {BOOL} else ERROR
        return self.inference.apply(overloads, arguments)

    def shown(self, type_: Type) -> Type:
        return self.inference.finish(type_)

    def name(self, expr: Name) -> Type:
        written = self.instead.get(expr.span, expr.name) if self.instead else expr.name
        for name, type_, _ in reversed(self.variables):
            if name == written:
                return type_
        if written in self.scope:
            return self.scope[written]
        known = {*self.scope, *(name for name, _, _ in self.variables)}
        return self.report_unknown(advice.unknown_name(expr, known, FUNCTIONS), expr.name, known)

    def field(self, expr: Select, operand: Type) -> Type:
        if isinstance(operand, ObjectType):
            name = self.instead.get(expr.field_span, expr.field) if self.instead else expr.field
            field = operand.fields.get(name)
            if field is not None:
                if not field.required:
                    self.optional.append(OptionalMember(expr, operand, field.type))
                return field.type
            fault = advice.unknown_field(operand, expr.field, expr.field_span)
            return self.report_unknown(fault, expr.field, operand.fields)
        match operand:
            case MapType(_, value):
                return value
            case TypeVariable():
                self.inference.assign(DYN, operand)
                return DYN
            case _ if operand in (DYN, ERROR):
                return operand
            case _:
                return self.report(advice.no_fields(expr, self.shown(operand)))

    def index(self, expr: Index) -> Type:
        operand, key = self.check(expr.operand), self.check(expr.index)
        if isinstance(operand, ObjectType) and isinstance(expr.index, Literal) and isinstance(expr.index.value, str):
            field = operand.fields.get(self.instead.get(expr.index.span, expr.index.value))
            if field is None:
                fault = advice.unknown_field(operand, expr.index.value, expr.index.span, quoted=True)
                return self.report_unknown(fault, expr.index.value, operand.fields)
            return field.type
        if operand == DYN:
            return DYN
        result = self.apply(INDEX, operand, key)
        if result is None:
            return self.report(advice.index(expr, self.shown(operand), self.shown(key)))
        return result

    def binary(self, expr: Binary) -> Type:
        before = len(self.diagnostics)
        found = self.plain_binary(expr)
        if len(self.diagnostics) > before and expr.operator in _HABITS and id(expr) not in self.inner_rows:
            habit = _HABITS[expr.operator](expr, self.types)
            if habit is not None:
                self.withdraw(before, habit.is_symptom)
                self.diagnostics.append(habit.diagnostic)
                return habit.type
        return found

    def withdraw(self, before: int, is_symptom: Callable[[Diagnostic], bool]) -> None:
        """Takes back the symptoms of a mistake among what was said since `before`."""
        said = self.diagnostics[before:]
        kept = [at for at, one in enumerate(said, before) if not is_symptom(one)]
        places = {at: now for now, at in enumerate(kept, before)} | {at: at for at in range(before)}
        self.unknown = [one._replace(at=places[one.at]) for one in self.unknown if one.at in places]
        self.diagnostics[before:] = [said[at - before] for at in kept]

    def plain_binary(self, expr: Binary) -> Type:
        if expr.operator == "||":
            self.inner_rows.update(map(id, (expr.left, expr.right)))
        left, right = self.check(expr.left), self.check(expr.right)
        result = self.apply(BINARY[expr.operator], left, right)
        if result is None:
            found = self.report(advice.binary(expr, self.shown(left), self.shown(right)))
            return BOOL if BINARY[expr.operator][0].result == BOOL else found
        if expr.operator in _COMPARING and (self.variables or _may_be_closed(expr, left, right)):
            variables = tuple((name, walked) for name, _, walked in self.variables)
            self.diagnostics += never_equal(expr, self.scope, variables)
        return result

    def conditional(self, expr: Conditional) -> Type:
        condition, yes, no = self.check(expr.condition), self.check(expr.yes), self.check(expr.no)
        if not self.inference.assign(condition, BOOL):
            self.report(advice.condition("the condition of `? :`", expr.condition, self.shown(condition)))
        if ERROR in (yes, no):
            return ERROR
        result = self.inference.apply(CONDITIONAL, (BOOL, yes, no))
        if result is None:
            return self.report(advice.branches(expr.yes, expr.no, self.shown(yes), self.shown(no)))
        return result

    def map_literal(self, expr: MapLiteral) -> Type:
        seen: dict[tuple[type, object], Expr] = {}
        keys, values = [], []
        for key, value in expr.entries:
            found = self.check(key)
            if found not in _KEYS and not isinstance(found, TypeVariable):
                message = f"a key of a map is a bool, an int or a string, not {show(self.shown(found))}"
                found = self.report(Diagnostic("map-key", message, key.span))
            if isinstance(key, Literal):
                first = seen.setdefault((type(key.value), key.value), key)
                if first is not key:
                    labels = (Label(first.span, "first written here"),)
                    help_ = "take one of the two away"
                    self.report(Diagnostic("map-key", "this key is written twice", key.span, help=help_, labels=labels))
            keys.append(found)
            values.append(self.check(value))
        return MapType(self.inference.common(keys), self.inference.common(values))

    def macro(self, expr: Macro) -> Type:
        target = self.check(expr.target)
        item: Type
        match target:
            case ListType(item):
                pass
            case MapType(key):
                item = key
            case ObjectType():
                item = STRING
            case TypeVariable():
                self.inference.assign(DYN, target)
                item = DYN
            case _ if target in (DYN, ERROR):
                item = target
            case _:
                item = self.report(advice.macro_range(expr.macro, expr.target, self.shown(target)))
        self.variables.append((expr.variable, item, expr.target))
        for condition in (expr.condition, expr.body if expr.macro != "map" else None):
            if condition is not None and not self.inference.assign(found := self.check(condition), BOOL):
                self.report(advice.condition(f"the condition of `{expr.macro}`", condition, self.shown(found)))
        result: Type = BOOL
        if expr.macro == "map":
            result = ListType(self.check(expr.body))
        elif expr.macro == "filter":
            result = ListType(item)
        self.variables.pop()
        return result

    def call(self, expr: Call) -> Type:
        name, target = self.instead.get(expr.function_span, expr.function), expr.target
        table = FUNCTIONS if target is None else METHODS
        if name not in table:
            return self.missing_function(expr)
        types = tuple(self.check(part) for part in ((target,) if target is not None else ()) + expr.arguments)
        if all(len(overload.parameters) != len(types) for overload in table[name]):
            takes = len(table[name][0].parameters) - (target is not None)
            message = f"`{name}` takes {takes or 'no'} argument{'s' * (takes != 1)}, not {len(expr.arguments)}"
            return self.report(Diagnostic("no-matching-overload", message, expr.function_span))
        result = self.apply(table[name], *types)
        if result is None:
            return self.report(advice.call(expr, tuple(map(self.shown, types)), alone=expr is self.root))
        if name == "matches":
            self.pattern(expr.arguments[-1])
        return result

    def pattern(self, expr: Expr) -> None:
        """A constant pattern is held against the engine now, with the place inside it."""
        if not isinstance(expr, Literal) or not isinstance(expr.value, str):
            return
        try:
            compile_pattern(expr.value)
        except PatternFault as fault:
            span = place_inside(expr.raw, fault.span).shifted(expr.span.start)
            message = f"this is not a regular expression: {fault.message}"
            self.report(Diagnostic("invalid-pattern", message, span, help=fault.help))

    def is_namespace(self, expr: Expr) -> bool:
        while isinstance(expr, Select):
            expr = expr.operand
        return (
            isinstance(expr, Name)
            and expr.name not in self.scope
            and all(expr.name != name for name, _, _ in self.variables)
        )

    def missing_function(self, expr: Call) -> Type:
        name = expr.function
        if name == "contains" and expr.target is None and len(expr.arguments) == 2:
            types = tuple(map(self.check, expr.arguments))
            if isinstance(types[0], ListType):
                return self.report(advice.call(expr, types, alone=expr is self.root))
        form = _other_form(expr)
        if form is not None:
            return self.report(advice.other_form(expr, form))
        if isinstance(expr.target, Name | Select) and self.is_namespace(expr.target):
            name = f"{write(expr.target)}.{name}"
            span = Span(expr.target.span.start, expr.function_span.end)
            self.report(advice.unknown_function(name, span, ()))
        elif name in UNSUPPORTED:
            self.check_parts(expr)
            message = f"`{name}` is not in this subset of CEL"
            help_ = _INSTEAD.get(name, "times written alike (RFC 3339, UTC) order as strings")
            self.report(Diagnostic("expression-unsupported", message, expr.function_span, help=help_))
        else:
            known = {*FUNCTIONS, "has"} if expr.target is None else {*METHODS, *MACROS}
            if expr.target is not None and advice.meant_function(name, known) in MACROS:
                self.check(expr.target)  # what is meant as a macro's variable is declared by nothing
            else:
                self.check_parts(expr)
            self.report_unknown(advice.unknown_function(name, expr.function_span, known), name, known)
        return ERROR

    def check_parts(self, expr: Expr) -> None:
        for part in children(expr):
            self.check(part)

    def want(self, expr: Expr, wanted: Type) -> None:
        """Report where `expr` does not give what is wanted, as deep inside as the text shows it."""
        match expr, wanted:
            case ListLiteral(items), ListType(item):
                for part in items:
                    self.want(part, item)
            case MapLiteral(entries), ObjectType():
                self.want_object(expr, wanted)
            case MapLiteral(entries), MapType(key_type, value_type):
                for key, value in entries:
                    self.want(key, key_type)
                    self.want(value, value_type)
            case Conditional(_, yes, no), _:
                self.want(yes, wanted)
                self.want(no, wanted)
            case _:
                found = self.types[id(expr)]
                if not self.inference.assign(found, wanted):
                    self.report(advice.wanted(expr, self.shown(found), wanted))

    def want_object(self, expr: MapLiteral, wanted: ObjectType) -> None:
        written = set()
        for key, value in expr.entries:
            if not (isinstance(key, Literal) and isinstance(key.value, str)):
                self.want(key, STRING)
            elif key.value in wanted.fields:
                written.add(key.value)
                self.want(value, wanted.fields[key.value].type)
            else:
                self.report(advice.unknown_field(wanted, key.value, key.span, quoted=True))
        constant = all(isinstance(key, Literal) for key, _ in expr.entries)
        missing = [name for name, field in wanted.fields.items() if field.required and name not in written]
        if constant and missing:
            names = ", ".join(f"`{name}`" for name in missing)
            message = f"{wanted.member} {names} is missing" if len(missing) == 1 else f"{names} are missing"
            self.report(Diagnostic("type-mismatch", message, expr.span))


def _may_be_closed(expr: Binary, left: Type, right: Type) -> bool:
    """Whether values are worth following; of plain reads beside a constant, which are most, their types tell."""
    if expr.operator == "in":
        return True
    kinds = type(expr.left), type(expr.right)
    if kinds[0] not in _PLAIN or kinds[1] not in _PLAIN:
        return True
    ours = left.values if isinstance(left, SimpleType) else None
    theirs = right.values if isinstance(right, SimpleType) else None
    if isinstance(expr.right, Literal):
        return ours is not None and expr.right.value not in ours
    if isinstance(expr.left, Literal):
        return theirs is not None and expr.left.value not in theirs
    return ours is not None and theirs is not None


def _other_form(expr: Call) -> str | None:
    """How the call is written right, when function and method were mixed up."""
    name, arguments, target = expr.function, expr.arguments, expr.target
    if target is None and arguments and (name in METHODS or name in MACROS):
        return f"{write_target(arguments[0])}.{name}({', '.join(map(write, arguments[1:]))})"
    if target is not None and not arguments and name in FUNCTIONS:
        return f"{name}({write(target)})"
    if target is not None and name == "has" and len(arguments) == 1 and isinstance(arguments[0], Name):
        return f"has({write_target(target)}.{arguments[0].name})"
    return None


_INSTEAD = {
    "bytes": "bytes do not exist here; strings hold text",
    "type": "types are known before the run; convert with int(...), double(...), string(...), bool(...)",
    "uint": "use int(...); unsigned numbers do not exist here",
}
