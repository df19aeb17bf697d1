"""A policy step opens on a rule book's word and on nothing else."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import RuleBook
from somagent.governance.constitution import default_constitution
from somagent.operators.operator import Answer, Park, Step, StepFailure
from somagent.operators.policy import OPERATOR
from somagent.operators.runner.records import Decision

Book = Callable[..., RuleBook]
MakeStep = Callable[..., Step]
RULES = [
    {"id": "no-leaks", "effect": "deny", "when": "input.leaks > 0", "because": "a secret was published"},
    {"id": "no-rush", "effect": "deny", "when": "input.leaks > 1", "because": "it is more than one"},
    {"id": "low-score", "effect": "require_review", "when": "input.score < 70", "because": "the score is low"},
    {"id": "fair-score", "effect": "audit", "when": "input.score < 90", "because": "the score is fair"},
    {"id": "good-score", "effect": "allow", "when": "input.score >= 90", "because": "the score is good"},
]
INPUT = {"leaks": {"type": "integer", "minimum": 0, "default": 0}, "score": {"type": "integer"}}


def ask(step: Step, **arguments: Any) -> Answer:
    """Decodes the arguments as the step runner does and runs the operator."""
    decoded = msgspec.convert(arguments, OPERATOR.arguments)
    try:
        answer = asyncio.run(OPERATOR.run(decoded, step))  # type: ignore[arg-type]  # `run` is a coroutine function
    finally:
        step.log.close()
    assert isinstance(answer, Answer)
    return answer


def failure(step: Step, **arguments: Any) -> StepFailure:
    with pytest.raises(StepFailure) as failed:
        ask(step, **arguments)
    return failed.value


@pytest.mark.parametrize(
    ("score", "verdict", "matched"),
    [
        (95, "allow", ("good-score", "the score is good")),
        (80, "audit", ("fair-score", "the score is fair")),
        (10, "require_review", ("low-score", "the score is low")),
    ],
)
def test_the_verdict_is_the_answer(
    book: Book, step: MakeStep, score: int, verdict: str, matched: tuple[str, str]
) -> None:
    release = book(RULES, input=INPUT)
    answer = ask(step(release=release), set="release", input={"score": score}, onReview="pass")
    assert answer.outputs == {"verdict": verdict, "rules": [matched[0]], "because": [matched[1]]}
    assert answer.verdict is not None
    assert answer.verdict.effect == verdict
    assert answer.verdict.constitution == release.digest


def test_a_verdict_of_require_review_opens_nothing_before_people_have_approved(book: Book, step: MakeStep) -> None:
    gate = step(release=book(RULES, input=INPUT))
    arguments = msgspec.convert({"set": "release", "input": {"score": 10}}, OPERATOR.arguments)
    parked = asyncio.run(OPERATOR.run(arguments, gate))  # type: ignore[arg-type]  # `run` is a coroutine function
    assert isinstance(parked, Park)
    assert parked.waiting.title == "`release` asks for a review: the score is low"
    assert parked.waiting.show == [{"score": 10}]
    assert parked.verdict is not None
    assert parked.verdict.effect == "require_review"
    approval = Decision(step="gate", by="bo", approve=True, at=gate.now())
    answer = ask(replace(gate, decisions=(approval,)), set="release", input={"score": 10})
    assert answer.outputs["verdict"] == "require_review"


def test_a_rejected_verdict_closes_the_gate(book: Book, step: MakeStep) -> None:
    gate = step(release=book(RULES, input=INPUT))
    rejection = Decision(step="gate", by="bo", approve=False, comment="too low", at=gate.now())
    denied = failure(replace(gate, decisions=(rejection,)), set="release", input={"score": 10})
    assert (denied.failure_class, denied.message) == ("denied", "rejected by bo: too low")
    assert denied.verdict is not None


def test_a_denial_names_the_rules_and_their_reasons_and_is_kept_as_evidence(book: Book, step: MakeStep) -> None:
    denied = failure(step(release=book(RULES, input=INPUT)), set="release", input={"leaks": 2, "score": 10})
    assert denied.failure_class == "denied"
    assert denied.message == ("denied by `release`: `no-leaks`: a secret was published; `no-rush`: it is more than one")
    assert denied.verdict is not None
    assert denied.verdict.rules == ["no-leaks", "no-rush"]
    assert [match.rule for match in denied.verdict.also] == ["low-score", "fair-score"]


def test_what_no_rule_mentions_is_denied_and_says_so(book: Book, step: MakeStep) -> None:
    denied = failure(step(release=book([], input=INPUT)), set="release", input={"score": 95})
    assert denied.failure_class == "denied"
    assert denied.message == "denied by `release`: no rule of `release` matches, and it says `otherwise: deny`"


def test_without_a_set_the_governing_constitution_is_asked(book: Book, step: MakeStep) -> None:
    assert ask(step(governing=book(RULES, input=INPUT)), input={"score": 99}).outputs["rules"] == ["good-score"]
    denied = failure(step())
    assert denied.verdict is not None
    assert denied.verdict.constitution == default_constitution().digest


def test_an_input_that_the_set_does_not_declare_is_an_error_and_no_open_gate(book: Book, step: MakeStep) -> None:
    failed = failure(step(release=book(RULES, input=INPUT, otherwise="allow")), set="release", input={"score": "95"})
    assert failed.failure_class == "error"
    assert failed.message == "`release` cannot judge this input: `input.score` must be a whole number, not '95'"
    assert failed.verdict is None


def test_a_rule_book_that_was_changed_after_the_check_judges_nothing(book: Book, step: MakeStep) -> None:
    honest = book(RULES, input=INPUT)
    document = {**honest.document, "spec": {**honest.document["spec"], "rules": [], "otherwise": "allow"}}
    failed = failure(
        step(release=msgspec.structs.replace(honest, document=document, digest=honest.digest[:-1] + "x")),
        set="release",
        input={"score": 1},
    )
    assert failed.failure_class == "error"
    assert "is not what the plan was checked against" in failed.message


def test_a_document_under_a_digest_already_verified_is_judged_by_what_the_digest_means(
    book: Book, step: MakeStep
) -> None:
    honest = book(RULES, input=INPUT)
    assert ask(step(release=honest), set="release", input={"score": 99}).outputs["verdict"] == "allow"
    document = {**honest.document, "spec": {**honest.document["spec"], "rules": [], "otherwise": "allow"}}
    swapped = msgspec.structs.replace(honest, document=document)
    denied = failure(step(release=swapped), set="release", input={"leaks": 5, "score": 99})
    assert denied.failure_class == "denied"


def test_a_set_that_the_plan_lacks_is_an_error(step: MakeStep) -> None:
    failed = failure(step(), set="release")
    assert (failed.failure_class, failed.message) == ("error", "the plan has no policy set `release`")


def test_the_log_tells_every_rule_that_matched(book: Book, step: MakeStep) -> None:
    gate = step(release=book(RULES, input=INPUT))
    ask(gate, set="release", input={"score": 10}, onReview="pass")
    assert gate.log.path.read_text() == (
        "verdict: require_review\n  low-score: the score is low\n  also fair-score (audit): the score is fair\n"
    )


def test_rules_may_ask_who_runs_it(book: Book, step: MakeStep) -> None:
    rules = [{"id": "ana", "effect": "allow", "when": 'run.submitter == "ana" && step.gate', "because": "it is ana"}]
    assert ask(step(release=book(rules)), set="release").outputs["rules"] == ["ana"]


def test_the_catalogue_entry_says_what_the_compiler_needs() -> None:
    arguments = OPERATOR.entry.arguments
    assert OPERATOR.entry.gate
    assert arguments["properties"]["set"]["x-somagent"]["policySet"] is True
    assert arguments["properties"]["input"]["x-somagent"]["policyInput"] == "set"
    assert arguments["additionalProperties"] is False
