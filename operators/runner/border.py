"""What an operator gives back is held against its types before anything else touches it.

Records are written once and read for years: one answer that cannot be written down as JSON, or one class of failure
that nobody knows, must be the failure of its step and not of the journal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar, get_args

import msgspec

from somagent.capsule_compiler.plan import Amounts
from somagent.governance.verdict import Verdict
from somagent.operators.operator import Answer, Park, StepFailure
from somagent.operators.runner.records import FailureClass, Waiting

T = TypeVar("T")

_ENGINES_OWN = frozenset({"cancelled", "cut_off", "omitted"})
CLASSES: frozenset[str] = frozenset(get_args(FailureClass)) - _ENGINES_OWN
_DEEPEST = 200
_MOST = 2**53 - 1  # what JSON says exactly everywhere; a database can add up a thousand of these


def checked_answer(end: object, name: str) -> Answer | Park:
    """What operator `name` returned, outputs as plain JSON; raises `StepFailure`."""
    if isinstance(end, Park):
        waiting = _record(end.waiting, Waiting, f"operator `{name}` asks people with")
        if waiting.due is not None and waiting.due.tzinfo is None:
            raise StepFailure("error", f"operator `{name}` asks people with a due date that has no time zone")
        return Park(waiting, _verdict(end.verdict, name))
    if not isinstance(end, Answer):
        raise StepFailure("error", f"operator `{name}` returned {_kind(end)}, not an Answer or Park")
    if not isinstance(end.outputs, dict):
        raise StepFailure("invalid_output", f"operator `{name}` returned outputs that are {_kind(end.outputs)}")
    spent = checked_amounts(end.spent, f"operator `{name}` says that it spent")
    return Answer(_plain_outputs(end.outputs), spent, _verdict(end.verdict, name))


def checked_failure(fault: StepFailure, name: str) -> StepFailure:
    """The failure that operator `name` raised, fit to be written down: what is wrong with it is said in its message."""
    message = safe_text(said(fault.message))
    complaints = []
    kind: Any = fault.failure_class
    if not isinstance(kind, str) or kind not in CLASSES:
        complaints.append(f"operator `{name}` failed with the class {said(repr(kind))[:80]}, which it may not use")
        kind = "error"
    spent, verdict = Amounts(), None
    try:
        spent = checked_amounts(fault.spent, f"operator `{name}` says that it spent")
        verdict = _verdict(fault.verdict, name)
    except StepFailure as wrong:
        complaints.append(wrong.message)
    child: Any = fault.child
    child = child if isinstance(child, str) else ""
    return StepFailure(
        kind, "; ".join([message, *map(safe_text, complaints)]), spent=spent, verdict=verdict, child=child
    )


def checked_amounts(amounts: object, what: str) -> Amounts:
    """Whole numbers that are not negative (a budget must not be refilled); raises `StepFailure`."""
    if not isinstance(amounts, Amounts):
        raise StepFailure("error", f"{what} {_kind(amounts)}, not Amounts")
    for number in (amounts.tokens, amounts.cost_micros):
        if type(number) is not int or not 0 <= number <= _MOST:
            raise StepFailure("error", f"{what} {safe_text(said(number))[:80]}, not a whole number from 0 to 2^53 - 1")
    return amounts


def said(value: object) -> str:
    """The value's text, whatever it is."""
    try:
        return str(value)
    except Exception:  # a foreign `__str__`
        return f"({type(value).__name__} without a text)"


def safe_text(text: str) -> str:
    """The text with what UTF-8 cannot say written as an escape."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _plain_outputs(outputs: dict[Any, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in outputs.items():
        what = f"output `{safe_text(said(name))[:80]}`: "
        if not isinstance(name, str) or _fault(name):
            raise StepFailure("invalid_output", f"{what}its name is not text")
        plain[str(name)] = _plain(value, "invalid_output", what)
    return plain


def _plain(value: Any, failure_class: FailureClass, what: str) -> Any:
    try:
        plain = msgspec.to_builtins(value)
    except Exception as fault:  # msgspec's, or of a foreign object that it asks
        why = f"cannot be written as JSON ({safe_text(said(fault))[:200]})"
    else:
        why = _fault(plain)
    if why:
        raise StepFailure(failure_class, what + why)
    return plain


def _fault(value: Any, depth: int = 0) -> str:
    """Why the value is not JSON, empty when it is."""
    if isinstance(value, str):
        return "" if value.isascii() or safe_text(value) == value else "text with a lone surrogate, which is not UTF-8"
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"{value} is not a number in JSON"
    if not isinstance(value, dict | list | tuple):
        return ""
    if depth >= _DEEPEST:
        return f"nested deeper than {_DEEPEST} levels"
    members: Iterable[Any] = value
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str) or _fault(name):
                return f"the key {safe_text(said(repr(name)))[:80]} is not text"
        members = value.values()
    for member in members:
        if why := _fault(member, depth + 1):
            return why
    return ""


def _record(value: Any, kind: type[T], what: str) -> T:
    if not isinstance(value, kind):
        raise StepFailure("error", f"{what} {_kind(value)}, not {kind.__name__}")
    plain = _plain(value, "error", f"{what} a {kind.__name__} that is wrong: ")
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as fault:
        raise StepFailure("error", f"{what} a {kind.__name__} that is wrong: {fault}") from None


def _verdict(verdict: object, name: str) -> Verdict | None:
    return None if verdict is None else _record(verdict, Verdict, f"operator `{name}` gave as verdict")


def _kind(value: object) -> str:
    return "None" if value is None else f"of type `{type(value).__name__}`"
