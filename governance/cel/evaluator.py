"""Syntax trees to Python closures, once, so that evaluating is calls and nothing else.

Types were checked before, but `dyn` values were not: every operation looks at what it gets, and says so when it has no
value for it. Errors are absorbed as CEL says: `false && error` and `error && false` are false, `true || error` is true,
and `all` and `exists` are rows of `&&` and `||`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from somagent.governance.cel import conversions, values
from somagent.governance.cel.arithmetic import ARITHMETIC, negate, order
from somagent.governance.cel.faults import EvaluationError
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
)
from somagent.governance.cel.values import Key, Value, ValueFault, type_name
from somagent.governance.documents import Span

MAX_STEPS = 1_000_000


class OutOfSteps(EvaluationError):
    """The evaluation did more work than it was given; never absorbed."""


class Frame:
    """What one evaluation knows: bindings, the variables of the macros around, the work it may still do."""

    __slots__ = ("bindings", "span", "steps", "variables")

    def __init__(self, bindings: Mapping[str, Value], variables: int, steps: int, span: Span) -> None:
        self.bindings = bindings
        self.variables: list[Value] = [None] * variables
        self.steps = steps
        self.span = span

    def spend(self, steps: int) -> None:
        """Take `steps` off; one step is an item walked over, compared or copied, or some 16 characters."""
        self.steps -= steps
        if self.steps < 0:
            raise OutOfSteps("the expression takes too much work for this input", self.span)


Run: TypeAlias = Callable[[Frame], Value]


def compile_expr(expr: Expr, *, max_steps: int = MAX_STEPS) -> Callable[[Mapping[str, Value]], Value]:
    """A function from bindings to the value of `expr`; it raises `EvaluationError` and may be used by many threads."""
    compiler = _Compiler()
    run = compiler.compile(expr, {})
    variables, span = compiler.variables, expr.span

    def evaluate_bound(bindings: Mapping[str, Value]) -> Value:
        try:
            return run(Frame(bindings, variables, max_steps, span))
        except RecursionError:
            raise EvaluationError("a value is nested too deeply", span) from None

    return evaluate_bound


def evaluate(expr: Expr, bindings: Mapping[str, Value], *, max_steps: int = MAX_STEPS) -> Value:
    """The value of `expr` over `bindings`. Raises `EvaluationError`, with the span of the part that failed."""
    return compile_expr(expr, max_steps=max_steps)(bindings)


class _Compiler:
    def __init__(self) -> None:
        self.variables = 0

    def compile(self, expr: Expr, scope: Mapping[str, int]) -> Run:
        """`scope` maps the variables of the macros around to their places in a frame."""
        match expr:
            case Literal(value):
                return lambda _: value
            case Name(name, span):
                return _variable(scope[name]) if name in scope else _binding(name, span)
            case Select(operand, field, field_span):
                return _field(self.compile(operand, scope), field, field_span)
            case Has(operand, field, field_span):
                return _has(self.compile(operand, scope), field, field_span)
            case Index(operand, key, span):
                return _index(self.compile(operand, scope), self.compile(key, scope), key.span)
            case Call():
                return self.call(expr, scope)
            case ListLiteral(items):
                return _list([self.compile(item, scope) for item in items])
            case MapLiteral(entries):
                return _map([(self.compile(k, scope), self.compile(v, scope), k.span) for k, v in entries])
            case Unary(operator, operand, span):
                return _unary(_UNARY[operator], self.compile(operand, scope), span)
            case Binary("in", span, left, ListLiteral(items)) if all(isinstance(item, Literal) for item in items):
                constants: list[Value] = [item.value for item in items if isinstance(item, Literal)]
                return _in(self.compile(left, scope), lambda _: constants, span)
            case Binary(operator, span, left, right):
                return _binary(operator, self.compile(left, scope), self.compile(right, scope), span)
            case Conditional(condition, yes, no):
                test = self.compile(condition, scope)
                return _conditional(test, self.compile(yes, scope), self.compile(no, scope), condition.span)
            case Macro():
                return self.macro(expr, scope)

    def call(self, expr: Call, scope: Mapping[str, int]) -> Run:
        arguments = (() if expr.target is None else (expr.target,)) + expr.arguments
        runs = [self.compile(argument, scope) for argument in arguments]
        if len(runs) == 1 and expr.function in _ONE:
            return _unary(_ONE[expr.function], runs[0], expr.function_span)
        if len(runs) == 2 and expr.function in _TEXT and expr.target is not None:
            return _text(expr.function, runs[0], runs[1], expr.function_span)
        raise EvaluationError(f"there is no function `{expr.function}` for {len(runs)} values", expr.function_span)

    def macro(self, expr: Macro, scope: Mapping[str, int]) -> Run:
        target = self.compile(expr.target, scope)
        place = max(scope.values(), default=-1) + 1
        self.variables = max(self.variables, place + 1)
        inner = {**scope, expr.variable: place}
        body = self.compile(expr.body, inner)
        walk = _walk(target, expr.target.span)
        match expr.macro:
            case "all" | "exists":
                return _quantifier(walk, place, body, expr.body.span, absorbing=expr.macro == "exists")
            case "exists_one":
                return _exists_one(walk, place, body, expr.body.span)
            case "filter":
                return _collect(walk, place, body, None, expr.body.span)
            case "map":
                condition = None if expr.condition is None else self.compile(expr.condition, inner)
                where = expr.span if expr.condition is None else expr.condition.span
                return _collect(walk, place, condition, body, where)


def _variable(place: int) -> Run:
    return lambda frame: frame.variables[place]


def _binding(name: str, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return frame.bindings[name]
        except KeyError:
            raise EvaluationError(f"`{name}` has no value here", span) from None

    return run


def _field(operand: Run, name: str, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return values.field(operand(frame), name)
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def _has(operand: Run, name: str, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return values.has_field(operand(frame), name)
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def _index(operand: Run, key: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return values.index(operand(frame), key(frame))
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def _list(items: list[Run]) -> Run:
    return lambda frame: [item(frame) for item in items]


def _map(entries: list[tuple[Run, Run, Span]]) -> Run:
    def run(frame: Frame) -> Value:
        result: dict[Key, Value] = {}
        for key_run, value_run, span in entries:
            key, value = key_run(frame), value_run(frame)
            if type(key) is not str and type(key) is not int and type(key) is not bool:
                raise EvaluationError(f"{type_name(key)} cannot be the key of a map", span)
            if key in result:
                if values.has_key(result, key):
                    raise EvaluationError(f"the key {values.quoted(key)} is in the map twice", span)
                raise EvaluationError("a map cannot have both a bool and the int of the same value as keys", span)
            result[key] = value
        return result

    return run


def _unary(operation: Callable[[Value], Value], operand: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return operation(operand(frame))
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def _not(value: Value) -> Value:
    if type(value) is bool:
        return not value
    raise ValueFault(f"`!` wants bool, not {type_name(value)}")


def _same_bool(value: Value) -> Value:
    return not _not(value)


def _same_number(value: Value) -> Value:
    if type(value) is int or type(value) is float:
        return value
    raise ValueFault(f"`-` cannot take {type_name(value)}")


_UNARY: dict[str, Callable[[Value], Value]] = {"!": _not, "!!": _same_bool, "-": negate, "--": _same_number}


def _size(value: Value) -> Value:
    if isinstance(value, str | list | dict):
        return len(value)
    raise ValueFault(f"size(...) cannot take {type_name(value)}")


_ONE: dict[str, Callable[[Value], Value]] = {
    "bool": conversions.to_bool,
    "double": conversions.to_double,
    "dyn": lambda value: value,
    "int": conversions.to_int,
    "size": _size,
    "string": conversions.to_string,
}
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "endsWith": str.endswith,
    "startsWith": str.startswith,
}


def _text(function: str, target: Run, argument: Run, span: Span) -> Run:
    operation = _TEXT[function]

    def run(frame: Frame) -> Value:
        text, part = target(frame), argument(frame)
        if type(text) is str and type(part) is str:
            frame.spend(len(text) >> 6)
            return operation(text, part)
        raise EvaluationError(f"`{function}` cannot take {type_name(text)} and {type_name(part)}", span)

    return run


def _binary(operator: str, left: Run, right: Run, span: Span) -> Run:
    if operator in ("&&", "||"):
        return _logical(operator, left, right, span)
    if operator in ("==", "!="):
        return _equality(left, right, wanted=operator == "==")
    if operator == "in":
        return _in(left, right, span)
    if operator == "+":
        return _add(left, right, span)
    operation: Callable[[Value, Value], Value] = ARITHMETIC.get(operator) or order(operator)

    def run(frame: Frame) -> Value:
        try:
            return operation(left(frame), right(frame))
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def _add(left: Run, right: Run, span: Span) -> Run:
    operation = ARITHMETIC["+"]

    def run(frame: Frame) -> Value:
        try:
            result = operation(left(frame), right(frame))
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None
        if type(result) is str:
            frame.spend(len(result) >> 4)
        elif type(result) is list:
            frame.spend(len(result))
        return result

    return run


def _equality(left: Run, right: Run, *, wanted: bool) -> Run:
    def run(frame: Frame) -> Value:
        return values.equal(left(frame), right(frame), frame.spend) is wanted

    return run


def _in(left: Run, right: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return values.contains(left(frame), right(frame), frame.spend)
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def _conditional(condition: Run, yes: Run, no: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        test = condition(frame)
        if test is True:
            return yes(frame)
        if test is False:
            return no(frame)
        raise EvaluationError(f"a condition is bool, not {type_name(test)}", span)

    return run


def _logical(operator: str, left: Run, right: Run, span: Span) -> Run:
    absorbing = operator == "||"

    def wrong(value: Value) -> EvaluationError:
        return EvaluationError(f"`{operator}` wants bool on both sides, not {type_name(value)}", span)

    def run(frame: Frame) -> Value:
        fault: EvaluationError | None = None
        try:
            first = left(frame)
            if first is absorbing:
                return absorbing
            if type(first) is not bool:
                fault = wrong(first)
        except OutOfSteps:
            raise
        except EvaluationError as error:
            fault = error
        second = right(frame) if fault is None else _or_none(right, frame)
        if second is absorbing:
            return absorbing
        if fault is not None:
            raise fault
        if type(second) is not bool:
            raise wrong(second)
        return second

    return run


def _or_none(run: Run, frame: Frame) -> Value:
    try:
        return run(frame)
    except OutOfSteps:
        raise
    except EvaluationError:
        return None


def _walk(target: Run, span: Span) -> Callable[[Frame], list[Value]]:
    def walk(frame: Frame) -> list[Value]:
        try:
            return values.keys(target(frame))
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return walk


def _quantifier(walk: Callable[[Frame], list[Value]], place: int, body: Run, span: Span, *, absorbing: bool) -> Run:
    def run(frame: Frame) -> Value:
        fault: EvaluationError | None = None
        for item in walk(frame):
            frame.steps -= 1
            if frame.steps < 0:
                frame.spend(0)
            frame.variables[place] = item
            try:
                test = body(frame)
            except OutOfSteps:
                raise
            except EvaluationError as error:
                fault = fault or error
                continue
            if test is absorbing:
                return absorbing
            if type(test) is not bool:
                fault = fault or EvaluationError(f"a condition is bool, not {type_name(test)}", span)
        if fault is not None:
            raise fault
        return not absorbing

    return run


def _exists_one(walk: Callable[[Frame], list[Value]], place: int, body: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        count = 0
        for item in walk(frame):
            frame.steps -= 1
            if frame.steps < 0:
                frame.spend(0)
            frame.variables[place] = item
            test = body(frame)
            if type(test) is not bool:
                raise EvaluationError(f"a condition is bool, not {type_name(test)}", span)
            count += test
        return count == 1

    return run


def _collect(
    walk: Callable[[Frame], list[Value]], place: int, condition: Run | None, body: Run | None, span: Span
) -> Run:
    """`map` (a body, perhaps a condition) and `filter` (only a condition)."""

    def run(frame: Frame) -> Value:
        result: list[Value] = []
        for item in walk(frame):
            frame.steps -= 1
            if frame.steps < 0:
                frame.spend(0)
            frame.variables[place] = item
            if condition is not None:
                test = condition(frame)
                if type(test) is not bool:
                    raise EvaluationError(f"a condition is bool, not {type_name(test)}", span)
                if not test:
                    continue
            result.append(item if body is None else body(frame))
        return result

    return run
