"""The macros as loops. `all` and `exists` absorb errors as a row of `&&` or `||` would; the others do not."""

from __future__ import annotations

from collections.abc import Callable

from somagent.governance.cel import values
from somagent.governance.cel.faults import EvaluationError
from somagent.governance.cel.frames import Frame, OutOfSteps, Run
from somagent.governance.cel.values import Value, ValueFault, type_name
from somagent.governance.documents import Span


def walk(target: Run, span: Span) -> Callable[[Frame], list[Value]]:
    def walk(frame: Frame) -> list[Value]:
        try:
            return values.keys(target(frame))
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return walk


def quantifier(walk: Callable[[Frame], list[Value]], place: int, body: Run, span: Span, *, absorbing: bool) -> Run:
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


def exists_one(walk: Callable[[Frame], list[Value]], place: int, body: Run, span: Span) -> Run:
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


def collect(
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
