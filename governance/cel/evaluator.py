"""Syntax trees to Python closures, once, so that evaluating is calls and nothing else.

Types were checked before, but `dyn` values were not: every operation looks at what it gets, and says so when it has no
value for it. Errors are absorbed as CEL says: `false && error` and `error && false` are false, `true || error` is true,
and `all` and `exists` are rows of `&&` and `||`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from somagent.governance.cel import loops, operations
from somagent.governance.cel.cost import NODES_A_STEP
from somagent.governance.cel.faults import EvaluationError
from somagent.governance.cel.frames import Frame, Run
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
    count_nodes,
)
from somagent.governance.cel.values import Value

MAX_STEPS = 1_000_000


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
                return operations.variable(scope[name]) if name in scope else operations.binding(name, span)
            case Select(operand, field, field_span):
                return operations.field(self.compile(operand, scope), field, field_span)
            case Has(operand, field, field_span):
                return operations.has(self.compile(operand, scope), field, field_span)
            case Index(operand, key, span):
                return operations.index(self.compile(operand, scope), self.compile(key, scope), key.span)
            case Call():
                return self.call(expr, scope)
            case ListLiteral(items):
                return operations.list_of([self.compile(item, scope) for item in items])
            case MapLiteral(entries):
                return operations.map_of([(self.compile(k, scope), self.compile(v, scope), k.span) for k, v in entries])
            case Unary(operator, operand, span):
                return operations.unary(operations.UNARY[operator], self.compile(operand, scope), span)
            case Binary("in", span, left, ListLiteral(items)) if all(isinstance(item, Literal) for item in items):
                constants: list[Value] = [item.value for item in items if isinstance(item, Literal)]
                return operations.contains(self.compile(left, scope), lambda _: constants, span)
            case Binary(operator, span, left, right):
                return operations.binary(operator, self.compile(left, scope), self.compile(right, scope), span)
            case Conditional(condition, yes, no):
                test = self.compile(condition, scope)
                return operations.conditional(test, self.compile(yes, scope), self.compile(no, scope), condition.span)
            case Macro():
                return self.macro(expr, scope)

    def call(self, expr: Call, scope: Mapping[str, int]) -> Run:
        arguments = (() if expr.target is None else (expr.target,)) + expr.arguments
        runs = [self.compile(argument, scope) for argument in arguments]
        if len(runs) == 1 and expr.function in operations.FUNCTIONS:
            return operations.unary(operations.FUNCTIONS[expr.function], runs[0], expr.function_span)
        if len(runs) == 2 and expr.function == "matches":
            return operations.matches(runs[0], runs[1], expr.function_span)
        if len(runs) == 2 and expr.function in operations.METHODS and expr.target is not None:
            return operations.text(expr.function, runs[0], runs[1], expr.function_span)
        raise EvaluationError(f"there is no function `{expr.function}` for {len(runs)} values", expr.function_span)

    def macro(self, expr: Macro, scope: Mapping[str, int]) -> Run:
        target = self.compile(expr.target, scope)
        place = max(scope.values(), default=-1) + 1
        self.variables = max(self.variables, place + 1)
        inner = {**scope, expr.variable: place}
        body = self.compile(expr.body, inner)
        walk = loops.walk(target, expr.target.span)
        weight = 1 + count_nodes(expr.body) // NODES_A_STEP
        match expr.macro:
            case "all" | "exists":
                return loops.quantifier(walk, place, body, expr.body.span, weight, absorbing=expr.macro == "exists")
            case "exists_one":
                return loops.exists_one(walk, place, body, expr.body.span, weight)
            case "filter":
                return loops.collect(walk, place, None, expr.body.span, weight, condition=body)
            case "map":
                condition = None if expr.condition is None else self.compile(expr.condition, inner)
                where = expr.span if expr.condition is None else expr.condition.span
                return loops.collect(walk, place, body, where, weight, condition=condition)
