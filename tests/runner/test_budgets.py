"""Budgets: what is set aside before it is spent, and what happens when it would be too much."""

import asyncio
from datetime import timedelta

import pytest
from msgspec import Struct

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import Amounts, Budget, Hole, Retry, Template
from somagent.operators.operator import Answer, Operator, StepFailure
from somagent.operators.runner.budgeting import time_at_work
from somagent.operators.runner.records import Attempt, StepKey, StepResult
from somagent.workflows.engines.protocol import DecisionRefused

WORDS_OUTPUTS = {"count": {"type": "integer"}, "first": {"type": "array", "items": {"type": "string"}}}
THREE = {"text": "a b c", "expect": 3}


def words(node, step="a", **fields):
    return node(step, "words", **{"arguments": THREE, "outputs": WORDS_OUTPUTS, **fields})


def each(node, count=3, **fields):
    return words(node, "each", items=f"[{', '.join('0' * count)}]", **fields)


def test_items_have_a_budget_each_and_one_together(stage, go, node, plan):
    async def main():
        await stage.start(plan(each(node, budget=Budget(tokens=3), total_budget=Budget(tokens=7))))
        await stage.fan_out("each")
        results = [await stage.step("each", item) for item in range(3)]
        assert [one.phase for one in results] == ["Succeeded", "Succeeded", "Failed"]
        assert results[2].failure.failure_class == "budget"
        assert results[2].failure.message == (
            "budget `each/*` allows 7 tokens, used so far: 6 tokens; `each` asked for 3 tokens"
        )

    go(main())


def test_a_budget_that_warns_lets_the_step_go_on_and_says_so(stage, go, node, plan):
    async def main():
        await stage.start(plan(words(node), words(node, "b"), budget=Budget(tokens=4, on_exceed="warn")))
        await stage.step("a")
        assert (await stage.step("b")).phase == "Succeeded"
        warning = "budget `run` allows 4 tokens, used so far: 3 tokens; `b` asked for 3 tokens (warn)"
        view = await stage.view()
        assert view.steps[1].warnings == [warning]
        assert view.warnings == ["the run spent 6 tokens, 4 are allowed", f"`b`: {warning}"]
        assert stage.log("b") == f"[somagent] {warning}\n"

    go(main())


def test_a_budget_that_asks_parks_the_step_and_an_approval_is_for_one_attempt(stage, go, node, plan):
    async def main():
        step = words(
            node, "b", retry=Retry(attempts=3, failures=["invalid_output"]), outputs={"count": {"type": "string"}}
        )
        await stage.start(plan(words(node), step, budget=Budget(tokens=4, on_exceed="ask")))
        await stage.step("a")
        asked = await stage.step("b")
        assert asked.waiting.title == "May step `b` go beyond the budget `run`?"
        assert asked.waiting.show[0] == {
            "budget": "run",
            "limit": "4 tokens",
            "spent": "3 tokens",
            "wanted": "3 tokens",
        }
        await stage.decide("b", approve=True)
        failed = await stage.step("b")  # it spends 3, and its output is of another type
        assert (failed.failure.failure_class, failed.spent) == ("invalid_output", Amounts(tokens=3))
        again = await stage.step("b")
        assert again.waiting.show[0]["spent"] == "6 tokens"
        with pytest.raises(DecisionRefused, match="another question"):
            await stage.decide("b", approve=True, question="sha256:" + "0" * 64)
        await stage.decide("b", approve=False, by="lin", comment="enough")
        result = await stage.step("b")
        assert isinstance(result, StepResult)
        assert (result.phase, result.failure.failure_class, result.spent) == ("Failed", "budget", Amounts(tokens=3))
        assert result.failure.message.startswith("rejected by lin: enough; attempt 3: budget `run` allows 4 tokens")

    go(main())


def test_an_approval_holds_although_others_spent_meanwhile(stage, go, node, plan):
    async def main():
        await stage.start(
            plan(words(node), words(node, "b"), words(node, "c"), budget=Budget(tokens=5, on_exceed="ask"))
        )
        await stage.step("a")
        await stage.step("b")
        await stage.step("c")
        await stage.decide("b", approve=True)
        assert (await stage.step("b")).phase == "Succeeded"
        await stage.decide("c", approve=True)
        assert (await stage.step("c")).phase == "Succeeded"
        assert (await stage.view()).warnings[0] == "the run spent 9 tokens, 5 are allowed"

    go(main())


def test_the_strictest_budget_decides(stage, go, node, plan):
    async def main():
        step = words(node, budget=Budget(tokens=2))
        await stage.start(plan(step, budget=Budget(tokens=1, on_exceed="ask")))
        assert (await stage.step("a")).failure.failure_class == "budget"

    go(main())


def test_time_of_a_step_is_counted_over_its_attempts(stage, go, node, plan):
    async def main():
        retry = Retry(attempts=9, failures=["error"])
        stage.operators["slow"] = taking(stage, 8950, fails=True)
        await stage.start(plan(node("a", "slow", budget=Budget(wall_clock_ms=9000), retry=retry)))
        first = await stage.step("a")
        assert first.failure.failure_class == "error"
        second = await stage.step("a")
        assert (second.phase, second.failure.failure_class) == ("Failed", "budget")
        assert second.failure.message == "budget `a` of wallClock 9s is used up"

    go(main())


class NoArguments(Struct):
    """None."""


def taking(stage, milliseconds, *, fails=False) -> Operator:
    """Takes time by the stage's clock, which stands still by itself, and a little by the one that deadlines follow."""

    async def run(_, __):
        await asyncio.sleep(0.2)
        stage.later(milliseconds=milliseconds)
        if fails:
            raise StepFailure("error", "as it should")
        return Answer({})

    return Operator(entry=OperatorEntry(name="slow", summary="", arguments={}), arguments=NoArguments, run=run)


def test_time_that_only_asks_cuts_nothing_off_and_asks_before_the_next_attempt(stage, go, node, plan):
    async def main():
        stage.operators["slow"] = taking(stage, 250)
        first = node("a", "slow")
        second = node("b", arguments={"run": "sleep 0.1"})
        await stage.start(plan(first, second, budget=Budget(wall_clock_ms=50, on_exceed="ask")))
        assert (await stage.step("a")).phase == "Succeeded"
        stage.later(seconds=1)
        asked = await stage.step("b")
        assert asked.waiting.title == "May step `b` go beyond the budget `run wallClock`?"
        assert asked.waiting.show[0]["spent"] == "250ms"
        await stage.decide("b", approve=True)
        assert (await stage.step("b")).phase == "Succeeded"

    go(main())


def test_time_at_work_counts_once_what_was_at_work_together(stage):
    def at(start, end):
        key = StepKey("r", "a")
        return Attempt(
            key=key,
            number=1,
            started_at=stage.at + timedelta(seconds=start),
            ended_at=stage.at + timedelta(seconds=end),
        )

    assert time_at_work([at(0, 10), at(5, 15), at(20, 21)], stage.at) == timedelta(seconds=16)


def test_expressions_see_what_was_spent_when_their_step_was_first_reached(stage, go, node, plan):
    async def main():
        hole = (["text"], {"cel": "string(run.spend.tokens) + ' ' + string(steps.a.spend.tokens) + steps.a.status"})
        step = words(
            node, "b", arguments={"text": None, "expect": 9}, holes=[hole], budget=Budget(tokens=5, on_exceed="ask")
        )
        await stage.start(plan(words(node), step, words(node, "c")))
        await stage.step("a")
        asked = await stage.step("b")
        assert asked.waiting is not None
        await stage.step("c")
        await stage.decide("b", approve=True)
        done = await stage.step("b")
        assert done.outputs["first"] == ["3"]

    go(main())


def test_what_is_known_of_a_skipped_step_is_its_status(stage, go, node, plan):
    async def main():
        outputs = {
            "how": Template(holes=[Hole(at=[], cel="steps.a.status + ' ' + string(steps.a.attempts)")]),
            "has": Template(holes=[Hole(at=[], cel="[has(steps.a), has(steps.a.count), has(steps.b)]")]),
            "at": Template(holes=[Hole(at=[], cel="run.startedAt")]),
            "spent": Template(holes=[Hole(at=[], cel="run.spend")]),
        }
        await stage.start(plan(words(node, guard="false"), words(node, "b"), outputs=outputs))
        await stage.step("a")
        await stage.step("b")
        assert await stage.outputs() == {
            "how": "Skipped 0",
            "has": [False, False, True],
            "at": "2026-11-24T07:12:00Z",
            "spent": {"tokens": 3, "costMicros": 0},
        }

    go(main())
