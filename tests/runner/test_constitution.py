"""The constitution is asked before every step: what it denies never runs, what it wants reviewed waits for people."""

import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Budget, Retry
from somagent.operators.deciding import question_of
from somagent.operators.runner.records import Attempt, StepResult
from somagent.workflows.engines.protocol import DecisionRefused

DENY = {"id": "no-words", "scope": "step", "effect": "deny", "when": 'step.id == "a"', "because": "words are expensive"}
OUTPUTS = {"count": {"type": "integer"}, "first": {"type": "array", "items": {"type": "string"}}}
REVIEW = {**DENY, "id": "ask-first", "effect": "require_review", "because": "people should know"}


def words(node, step="a", **fields):
    return node(step, "words", **{"arguments": {"text": "one two", "expect": 5}, "outputs": OUTPUTS, **fields})


def counting(node, stage, **fields):
    """A script that leaves a trace each time it runs."""
    arguments = {"run": 'echo ran >> "$COUNTER"', "env": {"COUNTER": str(stage.folder / "count")}}
    return node("a", arguments=arguments, **fields)


def times_run(stage):
    path = stage.folder / "count"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_denied_step_never_runs_and_is_never_retried(stage, go, node, plan, book):
    async def main():
        step = counting(node, stage, retry=Retry(attempts=5, failures=["denied", "error"]))
        await stage.start(plan(step, constitution=book(DENY)))
        result = await stage.step("a")
        assert (result.phase, result.attempts) == ("Failed", 1)
        assert result.failure.failure_class == "denied"
        assert result.failure.message == "denied by constitution `house`: `no-words`: words are expensive"
        assert result.verdict.effect == "deny"
        assert result.verdict.rules == ["no-words"]
        assert times_run(stage) == 0

    go(main())


def test_a_denied_step_never_reserves_budget(stage, go, node, plan, book):
    async def main():
        budget = Budget(tokens=6)
        await stage.start(plan(words(node), words(node, "b"), constitution=book(DENY), budget=budget))
        assert (await stage.step("a")).failure.failure_class == "denied"
        assert await stage.accounts() == 0
        assert (await stage.step("b")).phase == "Succeeded"

    go(main())


def test_a_rule_that_fails_to_evaluate_denies(stage, go, node, plan, book):
    rule = {**DENY, "when": "[1][size(step.id)] == 1"}

    async def main():
        await stage.start(plan(words(node), constitution=book(rule)))
        assert (await stage.step("a")).failure.failure_class == "denied"

    go(main())


def test_a_rule_book_that_is_not_what_the_plan_names_stops_the_step(stage, go, node, plan, book):
    async def main():
        promised = book({**DENY, "because": "this rule is taken out of the file"})
        forged = replace(promised, document=book().document)
        await stage.start(plan(counting(node, stage), constitution=forged))
        result = await stage.step("a")
        assert result.phase == "Failed"
        assert "is not what the plan was checked against" in result.failure.message
        assert times_run(stage) == 0

    go(main())


def test_the_note_of_an_audit_stays_with_the_result(stage, go, node, plan, book):
    async def main():
        await stage.start(plan(counting(node, stage), constitution=book({**DENY, "effect": "audit"})))
        result = await stage.step("a")
        assert (result.phase, result.verdict.effect, result.verdict.rules) == ("Succeeded", "audit", ["no-words"])

    go(main())


def test_a_step_that_needs_a_review_parks_and_runs_when_it_is_approved(stage, go, node, plan, book):
    async def main():
        await stage.start(plan(counting(node, stage), constitution=book(REVIEW)))
        parked = await stage.step("a")
        assert isinstance(parked, Attempt)
        assert parked.phase == "Waiting"
        assert parked.verdict.effect == "require_review"
        assert parked.waiting.title == ("May step `a` run? Constitution `house` asks: `ask-first`: people should know")
        assert parked.waiting.show[0]["arguments"]["run"].startswith("echo ran")
        again = await stage.step("a")
        assert (again.phase, again.number) == ("Waiting", 2)
        assert times_run(stage) == 0
        await stage.decide("a", approve=True)
        result = await stage.step("a")
        assert (result.phase, result.attempts) == ("Succeeded", 3)
        assert times_run(stage) == 1

    go(main())


def test_a_rejection_fails_as_denied(stage, go, node, plan, book):
    async def main():
        await stage.start(plan(counting(node, stage), constitution=book(REVIEW)))
        await stage.step("a")
        await stage.decide("a", approve=False, comment="not today")
        result = await stage.step("a")
        assert (result.phase, result.failure.failure_class) == ("Failed", "denied")
        assert result.failure.message == "rejected by grace: not today"
        assert times_run(stage) == 0

    go(main())


def test_waiting_does_not_count_as_failing(stage, go, node, plan, book):
    async def main():
        step = node("a", arguments={"run": "exit 75"}, retry=Retry(attempts=2, failures=["transient"]))
        await stage.start(plan(step, constitution=book(REVIEW)))
        await stage.step("a")
        await stage.decide("a", approve=True)
        assert isinstance(await stage.step("a"), Attempt)
        assert isinstance(await stage.step("a"), StepResult)

    go(main())


@pytest.mark.parametrize("operator", ["review", "policy"])
def test_a_step_that_asks_itself_puts_its_own_question_after_the_constitutions(  # noqa: PLR0917 -- fixtures
    stage, go, node, plan, book, operator
):
    arguments = {"review": {"title": "Ship it?"}, "policy": {"input": {"score": 10}}}[operator]
    scope = {"id": "low", "scope": "input", "effect": "require_review", "when": "input.score < 50", "because": "low"}
    house = book(REVIEW, scope, input={"score": {"type": "integer"}})

    async def main():
        outputs = stage.operators[operator].entry.outputs
        step = node("a", operator, arguments=arguments, gate=True, outputs=outputs)
        await stage.start(plan(step, constitution=house))
        first = await stage.step("a")
        assert first.waiting.constitution
        await stage.decide("a", approve=True)
        second = await stage.step("a")
        assert isinstance(second, Attempt), "approving the constitution's question answers no other one"
        assert not second.waiting.constitution
        assert second.waiting.title != first.waiting.title
        with pytest.raises(DecisionRefused, match="grace answered another question; asked now: "):
            await stage.decide("a", approve=True, question=question_of(first.waiting))
        await stage.decide("a", approve=True)  # by the same person
        with pytest.raises(DecisionRefused, match="step `a` is decided: approved by grace"):
            await stage.decide("a", approve=False)
        assert (await stage.step("a")).phase == "Succeeded"
        asked = [decision.question for decision in await stage.ledger.decisions(stage.key("a"))]
        assert asked == [question_of(first.waiting), question_of(second.waiting)]

    go(main())


def test_a_decision_belongs_to_the_arguments_that_were_shown_even_when_they_are_too_large_to_show(
    stage, go, node, plan, book
):
    async def main():
        titles = []
        for letter in "ab":
            step = node("a", arguments={"run": f"true {letter * 20_000}"})
            await stage.start(plan(step, constitution=book(REVIEW)))
            titles.append(question_of((await stage.step("a")).waiting))
        assert titles[0] != titles[1]

    go(main())


def test_a_review_step_keeps_its_due_date_beside_the_constitutions_question(stage, go, node, plan, book):
    async def main():
        arguments = {"title": "Ship it?", "due": "1h", "reviewers": {"users": ["lin"]}}
        outputs = stage.operators["review"].entry.outputs
        review = node("a", "review", arguments=arguments, gate=True, outputs=outputs)
        await stage.start(plan(review, constitution=book(REVIEW)))
        first = await stage.step("a")
        assert first.waiting.title.startswith("May step `a` run?")
        await stage.decide("a", approve=True)
        stage.later(minutes=10)
        second = await stage.step("a")
        assert second.waiting.title == "Ship it?"
        due = second.waiting.due
        stage.later(minutes=10)
        await stage.decide("a", approve=True, by="lin")
        result = await stage.step("a")
        assert result.outputs["by"] == ["lin"]
        assert (due - stage.at).total_seconds() == 50 * 60

    go(main())


def test_the_verdict_of_a_policy_step_is_its_own(stage, go, node, plan, book):
    gate = {"id": "risky", "effect": "audit", "when": "input.risk > 5", "because": "risk is noted"}

    async def main():
        release = book(gate, input={"risk": {"type": "integer"}}, otherwise="allow")
        arguments = {"set": "release", "input": {"risk": 7}}
        outputs = stage.operators["policy"].entry.outputs
        step = node("a", "policy", arguments=arguments, gate=True, outputs=outputs)
        await stage.start(plan(step, policies={"release": release}))
        result = await stage.step("a")
        assert (result.verdict.effect, result.verdict.rules) == ("audit", ["risky"])
        assert result.verdict.constitution == release.digest
        assert result.outputs["verdict"] == "audit"

    go(main())
