"""Whatever an operator does or answers ends its step, never the run: what is written down can always be read again."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import datetime

import msgspec
import pytest

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import Amounts, Budget, Retry
from somagent.governance.verdict import Verdict
from somagent.operators.operator import Answer, Operator, Park, StepFailure
from somagent.operators.runner.records import Waiting

ENTRY = OperatorEntry(name="odd", summary="Does odd things", arguments={})


class Nothing(msgspec.Struct):
    """No arguments."""


class Mute(Exception):
    def __str__(self):
        raise ValueError("no text")


def operator(run, **fields) -> Operator:
    return Operator(**{"entry": ENTRY, "arguments": Nothing, "run": run, **fields})


def answering(answer) -> Operator:
    async def run(_, __):
        return answer

    return operator(run)


def raising(fault) -> Operator:
    async def run(_, __):
        raise fault

    return operator(run)


@pytest.fixture
def attempt(stage, go, node, plan):
    """Runs one step of this operator, and reads its result again from the journal."""

    def run(odd, *, again=0, **fields):
        stage.operators["odd"] = odd

        async def main():
            await stage.start(plan(node("a", "odd", **{"outputs": {"x": {}}, **fields}), budget=Budget(tokens=10)))
            result = await stage.step("a")
            for _ in range(again):
                result = await stage.step("a")
            assert (await stage.view()).steps[0].phase == result.phase
            return result

        return go(main())

    return run


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"x": 1}, "operator `odd` returned of type `dict`, not an Answer or Park"),
        (None, "operator `odd` returned None, not an Answer or Park"),
        (Park(None), "operator `odd` asks people with None, not Waiting"),
        (Park(Waiting(title=7)), "operator `odd` asks people with a Waiting that is wrong: Expected `str`, got `int`"),
        (Park(Waiting(title="\udcff")), "lone surrogate"),
        (Park(Waiting(title="?", count=0)), "Expected `int` >= 1"),
        (Park(Waiting(title="?", show=[object()])), "cannot be written as JSON"),
        (Park(Waiting(title="?", due=datetime(2026, 1, 1))), "a due date that has no time zone"),  # noqa: DTZ001
        (Answer({"x": 1}, spent=None), "operator `odd` says that it spent None, not Amounts"),
        (Answer({"x": 1}, spent=Amounts(tokens=-5)), "says that it spent -5, not a whole number from 0"),
        (Answer({"x": 1}, spent=Amounts(tokens=2**63)), "not a whole number from 0 to 2^53 - 1"),
        (Answer({"x": 1}, spent=Amounts(tokens=1.5)), "says that it spent 1.5"),
        (Answer({"x": 1}, verdict="fine"), "gave as verdict of type `str`, not Verdict"),
        (Answer({"x": 1}, verdict=Verdict(effect="perhaps", constitution="")), "Invalid enum value 'perhaps'"),
    ],
)
def test_an_answer_of_the_wrong_kind_is_an_error_of_the_step(attempt, answer, message):
    result = attempt(answering(answer))
    assert (result.phase, result.failure.failure_class) == ("Failed", "error")
    assert message in result.failure.message


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"x": object()}, "output `x`: cannot be written as JSON"),
        ({"x": float("nan")}, "output `x`: nan is not a number in JSON"),
        ({"x": [{"y": float("inf")}]}, "output `x`: inf is not a number in JSON"),
        ({"x": ["\udcff"]}, "output `x`: text with a lone surrogate, which is not UTF-8"),
        ({"x": {"\udcff": 1}}, r"output `x`: the key '\udcff' is not text"),
        ({"x": {1: 1}}, "output `x`: the key 1 is not text"),
        ({1: 1}, "output `1`: its name is not text"),
        ([], "operator `odd` returned outputs that are of type `list`"),
        (None, "operator `odd` returned outputs that are None"),
    ],
)
def test_outputs_that_json_has_not_are_invalid(attempt, outputs, message):
    result = attempt(answering(Answer(outputs)))
    assert (result.phase, result.failure.failure_class) == ("Failed", "invalid_output")
    assert message in result.failure.message


def test_outputs_without_end_are_invalid(attempt):
    endless: list = []
    endless.append(endless)
    deep: list = []
    for _ in range(300):
        deep = [deep]
    for outputs in (endless, deep):
        assert attempt(answering(Answer({"x": outputs}))).failure.failure_class == "invalid_output"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (SystemExit(0), "operator `odd` failed with SystemExit: 0"),
        (KeyboardInterrupt(), "operator `odd` failed with KeyboardInterrupt"),
        (asyncio.CancelledError("mine"), "operator `odd` failed with CancelledError: mine"),
        (BaseException("bare"), "operator `odd` failed with BaseException: bare"),
        (TimeoutError(), "operator `odd` ran into a time limit of its own"),
        (Mute(), "operator `odd` failed with Mute: (Mute without a text)"),
        (ValueError("\udcff"), r"operator `odd` failed with ValueError: \udcff"),
        (StepFailure("weird", "x"), "x; operator `odd` failed with the class 'weird', which it may not use"),
        (StepFailure("cut_off", "x"), "x; operator `odd` failed with the class 'cut_off', which it may not use"),
        (StepFailure([], "x"), "x; operator `odd` failed with the class [], which it may not use"),
        (StepFailure("error", 12345), "12345"),
        (StepFailure("error", "\udcff"), r"\udcff"),
        (StepFailure("error", "x", spent=Amounts(tokens=-1)), "x; operator `odd` says that it spent -1"),
        (StepFailure("error", "x", verdict=7), "x; operator `odd` gave as verdict of type `int`"),
    ],
)
def test_whatever_an_operator_raises_is_an_error_of_the_step(attempt, fault, message):
    result = attempt(raising(fault))
    assert (result.phase, result.failure.failure_class) == ("Failed", "error")
    assert message in result.failure.message


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (lambda _: None, "the estimate of operator `odd` is None, not Amounts"),
        (lambda _: 1 / 0, "the estimate of operator `odd` failed with ZeroDivisionError: division by zero"),
        (lambda _: sys.exit(0), "the estimate of operator `odd` failed with SystemExit: 0"),
        (lambda _: Amounts(tokens=-3), "the estimate of operator `odd` is -3, not a whole number from 0"),
    ],
)
def test_an_estimate_that_cannot_be_is_an_error_of_the_step(attempt, estimate, message):
    result = attempt(operator(answering(Answer({"x": 1})).run, estimate=estimate))
    assert (result.phase, result.failure.failure_class) == ("Failed", "error")
    assert message in result.failure.message


def test_a_run_that_is_no_coroutine_and_arguments_that_break_are_errors_of_the_step(attempt):
    class Breaking(msgspec.Struct):
        def __post_init__(self):
            raise SystemExit(3)

    assert "TypeError" in attempt(operator(lambda _, __: 7)).failure.message
    assert "SystemExit: 3" in attempt(operator(answering(None).run, arguments=Breaking)).failure.message


def test_what_an_answer_spent_counts_although_its_outputs_are_wrong(attempt, stage):
    result = attempt(answering(Answer({"y": 1}, spent=Amounts(tokens=4))))
    assert result.failure.failure_class == "invalid_output"
    assert result.spent == Amounts(tokens=4)


def test_an_operator_that_swallows_its_cancellation_is_given_up(attempt, stage):
    heard = []

    async def run(_, __):
        while not heard or time.monotonic() - heard[0] < 7:
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                heard.append(time.monotonic())

    began = time.monotonic()
    result = attempt(operator(run), timeout_ms=100)  # and its event loop is closed
    seconds = time.monotonic() - began
    assert (result.failure.failure_class, result.failure.message) == ("timeout", "cut off after 0.1 s")
    assert 5 < seconds < 7
    assert "operator `odd` goes on although it was cancelled; it is left behind" in stage.log("a")


def test_an_operator_that_blocks_everything_and_comes_back_late_has_timed_out(attempt):
    async def run(_, __):
        time.sleep(0.3)  # noqa: ASYNC251 - as a careless author writes it
        return Answer({"x": 1})

    result = attempt(operator(run), timeout_ms=100)
    assert (result.failure.failure_class, result.failure.message) == ("timeout", "not ended after 0.1 s")


def test_a_foreign_class_is_tried_again_as_the_error_that_it_is(attempt):
    result = attempt(
        raising(StepFailure("cancelled", "x")), retry=Retry(attempts=2, failures=["error", "cancelled"]), again=1
    )
    assert (result.phase, result.attempts) == ("Failed", 2)
