"""One closure for each operator and function: look at the operands, work, or say at which place it went wrong."""

from __future__ import annotations

from collections.abc import Callable

from somagent.governance.cel import conversions, values
from somagent.governance.cel.arithmetic import ARITHMETIC, negate, order
from somagent.governance.cel.faults import EvaluationError
from somagent.governance.cel.frames import Frame, OutOfSteps, Run
from somagent.governance.cel.patterns import matches as _matches
from somagent.governance.cel.values import Key, Value, ValueFault, type_name
from somagent.governance.documents import Span


def variable(place: int) -> Run:
    return lambda frame: frame.variables[place]


def binding(name: str, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return frame.bindings[name]
        except KeyError:
            raise EvaluationError(f"`{name}` has no value here", span) from None

    return run


def field(operand: Run, name: str, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return values.field(operand(frame), name)
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def has(operand: Run, name: str, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return values.has_field(operand(frame), name)
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def index(operand: Run, key: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return values.index(operand(frame), key(frame))
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def list_of(items: list[Run]) -> Run:
    count = len(items)

    def run(frame: Frame) -> Value:
        frame.steps -= count
        if frame.steps < 0:
            frame.spend(0)
        return [item(frame) for item in items]

    return run


def map_of(entries: list[tuple[Run, Run, Span]]) -> Run:
    def run(frame: Frame) -> Value:
        frame.spend(len(entries))
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


def unary(operation: Callable[[Value], Value], operand: Run, span: Span) -> Run:
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


UNARY: dict[str, Callable[[Value], Value]] = {"!": _not, "!!": _same_bool, "-": negate, "--": _same_number}


def _size(value: Value) -> Value:
    if isinstance(value, str | list | dict):
        return len(value)
    raise ValueFault(f"size(...) cannot take {type_name(value)}")


FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "bool": conversions.to_bool,
    "double": conversions.to_double,
    "dyn": lambda value: value,
    "int": conversions.to_int,
    "size": _size,
    "string": conversions.to_string,
}
METHODS: dict[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "endsWith": str.endswith,
    "startsWith": str.startswith,
}


def text(function: str, target: Run, argument: Run, span: Span) -> Run:
    operation = METHODS[function]

    def run(frame: Frame) -> Value:
        text, part = target(frame), argument(frame)
        if type(text) is str and type(part) is str:
            frame.spend(len(text) >> 6)
            return operation(text, part)
        raise EvaluationError(f"`{function}` cannot take {type_name(text)} and {type_name(part)}", span)

    return run


def matches(target: Run, argument: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        text, pattern = target(frame), argument(frame)
        if type(text) is not str or type(pattern) is not str:
            raise EvaluationError(f"`matches` cannot take {type_name(text)} and {type_name(pattern)}", span)
        try:
            found, steps = _matches(text, pattern)
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None
        frame.spend(steps)
        return found

    return run


def binary(operator: str, left: Run, right: Run, span: Span) -> Run:
    if operator in ("&&", "||"):
        return logical(operator, left, right, span)
    if operator in ("==", "!="):
        return _equality(left, right, wanted=operator == "==")
    if operator == "in":
        return contains(left, right, span)
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


def contains(left: Run, right: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        try:
            return values.contains(left(frame), right(frame), frame.spend)
        except ValueFault as fault:
            raise EvaluationError(str(fault), span) from None

    return run


def conditional(condition: Run, yes: Run, no: Run, span: Span) -> Run:
    def run(frame: Frame) -> Value:
        test = condition(frame)
        if test is True:
            return yes(frame)
        if test is False:
            return no(frame)
        raise EvaluationError(f"a condition is bool, not {type_name(test)}", span)

    return run


def logical(operator: str, left: Run, right: Run, span: Span) -> Run:
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
