"""The sequence of a step: what is decided before it runs, what is recorded after, and that it happens once."""

import json
from datetime import timedelta

import pytest

from somagent.capsule_compiler.plan import Amounts, Budget, Cel, Edge, Retry
from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.records import Attempt, StepResult
from somagent.operators.runner.values import digest_of_value

COUNT = {"type": "integer"}
WORDS_OUTPUTS = {"count": COUNT, "first": {"type": "array", "items": {"type": "string"}}}


def words(node, step, text, **fields):
    return node(step, "words", **{"arguments": {"text": text}, "outputs": WORDS_OUTPUTS, **fields})


def test_a_result_carries_outputs_digests_verdict_and_spending(stage, go, node, plan):
    async def main():
        await stage.start(plan(words(node, "a", "to be or not")))
        result = await stage.step("a")
        assert result.phase == "Succeeded"
        assert (result.attempts, result.started_at, result.ended_at) == (1, stage.at, stage.at)
        assert result.outputs == {"count": 4, "first": ["to"]}
        assert result.input_digest == digest_of_value({"text": "to be or not"})
        assert result.output_digest == digest_of_value({"count": 4, "first": ["to"]})
        assert result.verdict.effect == "allow"
        assert result.verdict.constitution == stage.plan.constitution.digest
        assert result.spent == Amounts(tokens=4)
        assert stage.attempt_folders() == []

    go(main())


def test_a_step_with_a_result_never_runs_again(stage, go, node, plan):
    script = {"run": 'echo ran >> "$COUNTER"', "env": {"COUNTER": str(stage.folder / "count")}}

    async def main():
        await stage.start(plan(node("a", arguments=script)))
        first = await stage.step("a")
        assert await stage.step("a") == first
        assert (stage.folder / "count").read_text() == "ran\n"

    go(main())


def test_two_attempts_at_once_are_refused(stage, go, node, plan):
    async def main():
        await stage.start(plan(words(node, "a", "x")))
        await stage.ledger.begin(stage.key("a"), stage.at)
        with pytest.raises(AttemptHeld):
            await stage.step("a")
        await stage.leave()

    go(main())


def test_a_false_if_skips_without_an_attempt(stage, go, node, plan):
    async def main():
        await stage.start(
            plan(words(node, "a", "x", guard="inputs.wanted"), inputs={"wanted": {"type": "boolean"}}),
            {"wanted": False},
        )
        result = await stage.step("a")
        assert (result.phase, result.attempts, result.failure) == ("Skipped", 0, None)

    go(main())


def test_a_false_require_fails_and_shows_what_it_read(stage, go, node, plan):
    async def main():
        steps = plan(
            words(node, "a", "one two"),
            words(
                node,
                "b",
                "x",
                require="steps.a.count >= inputs.least",
                needs=[Edge(step="a", kind="data")],
                retry=Retry(attempts=3, failures=["error"]),  # nothing would be another time
            ),
            inputs={"least": COUNT},
        )
        await stage.start(steps, {"least": 3})
        await stage.step("a")
        result = await stage.step("b")
        assert result.phase == "Failed"
        assert result.failure.failure_class == "error"
        assert result.failure.message == (
            "required, but false: `steps.a.count >= inputs.least`; steps.a.count is 2, inputs.least is 3"
        )

    go(main())


def test_an_expression_without_a_value_fails_with_its_text_and_place(stage, go, node, plan):
    async def main():
        hole = (["text"], {"text": ["n: ", Cel(cel="10 / inputs.n")]})
        await stage.start(plan(words(node, "a", None, holes=[hole]), inputs={"n": COUNT}), {"n": 0})
        result = await stage.step("a")
        assert result.failure.message == "`text`: `10 / inputs.n` has no value: division by zero; inputs.n is 0"

    go(main())


def test_holes_keep_their_type_and_texts_are_rendered(stage, go, node, plan):
    arguments = {
        "run": 'cp "$SOMAGENT_INPUT" input.json',
        "env": {"N": None, "TEXT": None, "LIST": None, "PLAIN": [1, {"a": 2}]},
    }
    holes = [
        (["env", "N"], {"cel": "inputs.n"}),
        (["env", "TEXT"], {"text": ["n=", Cel(cel="inputs.n"), " l=", Cel(cel="inputs.l")]}),
        (["env", "LIST"], {"cel": "inputs.l.map(x, x * 2)"}),
    ]
    inputs = {"n": {"type": "number"}, "l": {"type": "array", "items": COUNT}}

    async def main():
        await stage.start(
            plan(
                node(
                    "a", arguments=arguments, holes=holes, outputs={"input": {"type": "artifact", "path": "input.json"}}
                ),
                inputs=inputs,
            ),
            {"n": 1, "l": [1, 2]},
        )
        result = await stage.step("a")
        seen = stage.contents.read_bytes(result.outputs["input"]["artifact"])
        assert b'"N":1.0' in seen
        assert json.loads(seen) == {"N": 1, "TEXT": "n=1 l=[1,2]", "LIST": [2, 4], "PLAIN": [1, {"a": 2}]}

    go(main())


def test_arguments_of_another_form_fail_with_their_path(stage, go, node, plan):
    async def main():
        await stage.start(plan(words(node, "a", 7)))
        result = await stage.step("a")
        assert result.failure.message == "argument `text`: expected `str`, got `int`"

    go(main())


def test_only_the_steps_that_are_read_have_to_have_ended(stage, go, node, plan):
    async def main():
        await stage.start(plan(words(node, "a", "x"), words(node, "b", "y", guard="steps.a.count == 1")))
        with pytest.raises(RuntimeError, match=r"step `a` .* is read before it has ended"):
            await stage.step("b")
        await stage.step("a")
        assert (await stage.step("b")).phase == "Succeeded"

    go(main())


@pytest.mark.parametrize(
    "case",
    [
        ("has(steps.a.count)", "Skipped"),
        ("has(steps.a)", "Skipped"),
        ("!has(steps.a.count)", "Succeeded"),
        ("!has(steps.a) && !has(steps.a.count)", "Succeeded"),
        ("has(steps.a.count) ? steps.a.count > 1 : true", "Succeeded"),
        ("has(steps.f) ? size(steps.f) > 0 : true", "Succeeded"),
        ("[1].exists(x, has(steps.a) || x == 1)", "Succeeded"),
        ("has(steps.ran) && has(steps.ran.count)", "Succeeded"),
    ],
    ids=lambda case: case[0],
)
def test_has_is_false_for_a_skipped_step(stage, go, node, plan, case):
    guard, phase = case

    async def main():
        skipped = words(node, "a", "x", guard="false")
        fanned = words(node, "f", "x", items="[1]", guard="false")
        await stage.start(plan(skipped, fanned, words(node, "ran", "x"), words(node, "b", "y", guard=guard)))
        await stage.step("a")
        await stage.step("ran")
        assert (await stage.fan_out("f")).phase == "Skipped"
        assert (await stage.step("b")).phase == phase

    go(main())


def test_an_unknown_operator_fails_the_step(stage, go, node, plan):
    async def main():
        await stage.start(plan(node("a", "gone")))
        result = await stage.step("a")
        assert result.failure.message == "operator `gone` is not installed here"

    go(main())


def test_the_phase_of_the_run_is_known_to_finally_steps(stage, go, node, plan):
    hole = (["text"], {"text": ["ended ", Cel(cel="run.phase")]})

    async def main():
        final = words(node, "tell", None, holes=[hole])
        await stage.start(plan(words(node, "a", "x"), words(node, "b", "x", require="false"), finals=[final]))
        await stage.step("a")
        await stage.step("b")
        result = await stage.step("tell")
        assert result.input_digest == digest_of_value({"text": "ended Failed"})

    go(main())


def test_a_failure_worth_it_is_tried_again_after_a_wait_that_doubles(stage, go, node, plan):
    retry = Retry(attempts=4, backoff_ms=10_000, max_backoff_ms=25_000, failures=["transient"])

    async def main():
        await stage.start(plan(node("a", arguments={"run": "exit 75"}, retry=retry)))
        waits = []
        for number in (1, 2, 3):
            attempt = await stage.step("a")
            assert isinstance(attempt, Attempt)
            assert (attempt.number, attempt.phase, attempt.failure.failure_class) == (number, "Failed", "transient")
            waits.append(attempt.retry_at - stage.at)
        assert waits == [timedelta(seconds=10), timedelta(seconds=20), timedelta(seconds=25)]
        last = await stage.step("a")
        assert isinstance(last, StepResult)
        assert (last.phase, last.attempts, last.failure.failure_class) == ("Failed", 4, "transient")

    go(main())


def test_a_failure_of_another_class_is_final(stage, go, node, plan):
    async def main():
        await stage.start(plan(node("a", arguments={"run": "exit 3"}, retry=Retry(attempts=5, failures=["transient"]))))
        result = await stage.step("a")
        assert (result.phase, result.attempts, result.failure.failure_class) == ("Failed", 1, "error")

    go(main())


def test_a_deadline_is_hard_and_its_class_is_timeout(stage, go, node, plan):
    async def main():
        await stage.start(plan(node("a", arguments={"run": "sleep 60"}, timeout_ms=300)))
        result = await stage.step("a")
        assert (result.phase, result.failure.failure_class) == ("Failed", "timeout")
        assert result.failure.message == "cut off after 0.3 s"
        assert stage.attempt_folders() == []

    go(main())


@pytest.mark.parametrize(
    "reading",
    [
        ("bundle", {"name": "x", "include": [None]}, ["include", 0]),
        ("script", {"run": "true", "env": {"A": None}}, ["env", "A"]),
    ],
)
def test_an_artifact_whose_content_is_lost_is_a_failure_that_says_so(stage, go, node, plan, reading):
    operator, arguments, at = reading

    async def main():
        made = node("a", arguments={"run": "echo 1 > f"}, outputs={"f": {"type": "artifact", "path": "f"}})
        reader = node("b", operator, arguments=arguments, holes=[(at, {"cel": "steps.a.f"})])
        await stage.start(plan(made, reader))
        await stage.lose((await stage.step("a")).outputs["f"]["artifact"])
        failure = (await stage.step("b")).failure
        assert failure.failure_class == "error"
        assert "is missing from" in failure.message
        assert not stage.log_path(stage.key("b"), 1).exists()

    go(main())


def test_spending_is_reserved_before_and_settled_after(stage, go, node, plan):
    async def main():
        first = words(node, "a", "one two three", arguments={"text": "one two three", "expect": 8})
        second = words(node, "b", "x", arguments={"text": "x", "expect": 8})
        await stage.start(plan(first, second, budget=Budget(tokens=10)))
        assert (await stage.step("a")).spent == Amounts(tokens=3)
        result = await stage.step("b")
        assert result.failure.failure_class == "budget"
        assert "allows 10 tokens, used so far: 3 tokens" in result.failure.message

    go(main())


def test_spending_that_was_not_foreseen_counts_too(stage, go, node, plan):
    async def main():
        await stage.start(
            plan(
                words(node, "a", "one two three"),
                words(node, "b", "x", arguments={"text": "x", "expect": 8}),
                budget=Budget(tokens=10),
            )
        )
        await stage.step("a")
        assert (await stage.step("b")).failure.failure_class == "budget"

    go(main())
