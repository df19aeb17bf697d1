"""The macros as loops. `all` and `exists` absorb errors as a row of `&&` or `||` would; the others do not.

Each item takes `weight` steps: one, and more for a long body.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from somagent.governance.cel import values
from somagent.governance.cel.faults import EvaluationError
from somagent.governance.cel.frames import Frame, OutOfSteps, Run
from somagent.governance.cel.values import Value, ValueFault, type_name
from somagent.governance.documents import Span

Walk: TypeAlias = Callable[[Frame], list[Value]]


def walk(target: Run, span: Span) -> Walk:
    def walk(frame: Frame) -> list[Value]:
        operand = target(frame)
        if type(operand) is dict:
            frame.spend(len(operand))  # for putting its keys in order
        try:
            return values.keys(operand)
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return walk


def quantifier(
    walk: Callable[[Frame], list[Value]], place: int, body: Run, span: Span, weight: int, *, absorbing: bool
) -> Run:
    def run(frame: Frame) -> Value:
        fault: EvaluationError | None = None
        for item in walk(frame):
            frame.steps -= weight
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


def exists_one(walk: Walk, place: int, body: Run, span: Span, weight: int) -> Run:
    def run(frame: Frame) -> Value:
        count = 0
        for item in walk(frame):
            frame.steps -= weight
            if frame.steps < 0:
                frame.spend(0)
            frame.variables[place] = item
            test = body(frame)
            if type(test) is not bool:
                raise EvaluationError(f"a condition is bool, not {type_name(test)}", span)
            count += test
        return count == 1

    return run


def collect(walk: Walk, place: int, body: Run | None, span: Span, weight: int, *, condition: Run | None) -> Run:
    """`map` (a body, perhaps a condition) and `filter` (only a condition)."""

    def run(frame: Frame) -> Value:
        result: list[Value] = []
        for item in walk(frame):
            frame.steps -= weight
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
