"""A fan-out step: one list, one run of the step for each item, and one result for the whole."""

import pytest

from somagent.capsule_compiler.plan import Amounts, Budget, Cel, FanOut, Hole, Retry, Template
from somagent.operators.runner.values import digest_of_value

WORDS_OUTPUTS = {"count": {"type": "integer"}, "first": {"type": "array", "items": {"type": "string"}}}
TEXTS = {"texts": {"type": "array", "items": {"type": "string"}}}


def each(node, step="each", **fields):
    hole = (["text"], {"cel": "item"})
    given = {"arguments": {"text": None}, "holes": [hole], "items": "inputs.texts", "outputs": WORDS_OUTPUTS}
    return node(step, "words", **given | fields)


def test_items_see_their_item_and_the_whole_is_a_list_in_input_order(stage, go, node, plan):
    async def main():
        hole = (["text"], {"text": [Cel(cel="steps.each.map(e, e.count)")]})
        after = node("after", "words", arguments={"text": None}, holes=[hole], outputs=WORDS_OUTPUTS)
        await stage.start(plan(each(node), after, inputs=TEXTS), {"texts": ["a b c", "", "d e"]})
        assert await stage.fan_out("each") == 3
        for item in (2, 0, 1):
            assert (await stage.step("each", item)).phase == "Succeeded"
        whole = await stage.close("each", 3)
        assert (whole.phase, whole.items, whole.attempts, whole.spent) == ("Succeeded", 3, 3, Amounts(tokens=5))
        assert (whole.started_at, whole.ended_at) == (stage.at, stage.at)
        assert (await stage.step("after")).input_digest == digest_of_value({"text": "[3,0,2]"})
        assert await stage.fan_out("each") == whole
        assert await stage.close("each", 3) == whole

    go(main())


def test_an_empty_list_is_an_empty_success(stage, go, node, plan):
    async def main():
        outputs = {"counts": Template(holes=[Hole(at=[], cel="steps.each.map(e, e.count)")])}
        await stage.start(plan(each(node), inputs=TEXTS, outputs=outputs), {"texts": []})
        whole = await stage.all_items("each")
        assert (whole.phase, whole.items) == ("Succeeded", 0)
        assert await stage.outputs() == {"counts": []}

    go(main())


def test_if_and_require_are_decided_once_for_all_items(stage, go, node, plan):
    async def main():
        skipped, failing = each(node, "s", guard="false"), each(node, "f", require="size(inputs.texts) > 2")
        await stage.start(plan(skipped, failing, inputs=TEXTS), {"texts": ["a"]})
        assert (await stage.fan_out("s")).phase == "Skipped"
        result = await stage.fan_out("f")
        assert (result.phase, result.failure.message) == (
            "Failed",
            'required, but false: `size(inputs.texts) > 2`; inputs.texts is ["a"]',
        )

    go(main())


def test_the_whole_fails_when_an_item_fails_and_says_which(stage, go, node, plan):
    async def main():
        arguments = {"run": 'exit "$N"', "env": {"N": None}}
        step = node("each", arguments=arguments, holes=[(["env", "N"], {"cel": "item"})], items="[0, 3, 0, 4]")
        await stage.start(plan(step))
        whole = await stage.all_items("each")
        assert (whole.phase, whole.failure.failure_class) == ("Failed", "error")
        assert whole.failure.message == "2 of 4 items failed: item 1: exit code 3; item 3: exit code 4"

    go(main())


def test_items_are_retried_on_their_own(stage, go, node, plan):
    async def main():
        run = 'test "$SOMAGENT_ATTEMPT" -gt 1 || exit 75'
        retry = Retry(attempts=2, failures=["transient"])
        step = node("each", arguments={"run": run}, items="[1, 2]", retry=retry)
        await stage.start(plan(step))
        assert await stage.fan_out("each") == 2
        for item in (0, 1):
            first = await stage.step("each", item)
            assert (first.number, first.retry_at) == (1, stage.at)
            assert (await stage.step("each", item)).attempts == 2
        assert (await stage.close("each", 2)).attempts == 4

    go(main())


def test_each_item_has_the_steps_budget_for_itself_and_all_share_the_runs(stage, go, node, plan):
    async def main():
        step = each(node, arguments={"text": None, "expect": 3}, budget=Budget(tokens=4))
        await stage.start(plan(step, inputs=TEXTS, budget=Budget(tokens=8)), {"texts": ["a b c", "a b c", "a b c"]})
        await stage.fan_out("each")
        phases = [(await stage.step("each", item)) for item in range(3)]
        assert [result.phase for result in phases] == ["Succeeded", "Succeeded", "Failed"]
        assert "budget `run` allows 8 tokens, used so far: 6 tokens" in phases[2].failure.message

    go(main())


def test_a_list_that_is_none_fails_the_step(stage, go, node, plan):
    async def main():
        await stage.start(plan(each(node, items="7"), each(node, "gone", items="inputs.nope.list")))
        assert (await stage.fan_out("each")).failure.message == "`forEach` needs a list, not 7"
        assert "has no value" in (await stage.fan_out("gone")).failure.message

    go(main())


def test_a_fan_out_is_not_closed_before_all_items_have_ended(stage, go, node, plan):
    async def main():
        await stage.start(plan(each(node), inputs=TEXTS), {"texts": ["a", "b"]})
        await stage.fan_out("each")
        await stage.step("each", 0)
        with pytest.raises(RuntimeError, match="1 of its 2 items have ended"):
            await stage.close("each", 2)

    go(main())


COLLECT = FanOut(
    items=Template(holes=[Hole(at=[], cel="[0, 3, 0, 4]")]),
    name="n",
    item_schema={},
    index="place",
    on_failure="collect",
)
NUMBER = {"number": {"type": "integer"}}
RUN = 'test "$N" -eq 0 || exit "$N"; echo "number=$PLACE" >> "$SOMAGENT_OUTPUT"'


def exits(node, **fields):
    holes = [(["env", "N"], {"cel": "n"}), (["env", "PLACE"], {"cel": "place"})]
    arguments = {"run": RUN, "env": {"N": None, "PLACE": None}}
    return node("each", arguments=arguments, holes=holes, outputs=NUMBER, **{"fan_out": COLLECT, **fields})


def test_collected_failures_stand_in_the_result_as_errors_in_input_order(stage, go, node, plan):
    outputs = {
        "numbers": Template(holes=[Hole(at=[], cel="steps.each.filter(e, has(e.number)).map(e, e.number)")]),
        "errors": Template(holes=[Hole(at=[], cel="steps.each.filter(e, has(e.error)).map(e, e.error)")]),
        "how": Template(holes=[Hole(at=[], cel="steps.each.map(e, e.status + ' ' + string(e.attempts))")]),
    }

    async def main():
        await stage.start(plan(exits(node, retry=Retry(attempts=2, failures=["error"])), outputs=outputs))
        assert await stage.fan_out("each") == 4
        for item in (3, 1, 0, 2, 1, 3):
            await stage.step("each", item)
        whole = await stage.close("each", 4)
        assert (whole.phase, whole.failure, whole.items, whole.attempts) == ("Succeeded", None, 4, 6)
        assert await stage.outputs() == {
            "numbers": [0, 2],
            "errors": [
                {"class": "error", "message": "exit code 3", "attempts": 2},
                {"class": "error", "message": "exit code 4", "attempts": 2},
            ],
            "how": ["Succeeded 1", "Failed 2", "Succeeded 1", "Failed 2"],
        }

    go(main())


def test_a_gate_collects_nothing_it_opens_on_approval_only(stage, go, node, plan):
    async def main():
        await stage.start(plan(exits(node, gate=True)))
        whole = await stage.all_items("each")
        assert (whole.phase, whole.failure.failure_class) == ("Failed", "error")

    go(main())
