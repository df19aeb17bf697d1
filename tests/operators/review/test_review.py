"""A review opens when enough of the right people approved in time, and never by itself."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.operators.deciding import objection, outcome
from somagent.operators.operator import Answer, Park, Step, StepFailure
from somagent.operators.review import OPERATOR
from somagent.operators.runner.records import Decision, Waiting
from somagent.operators.submitter import Submitter

MakeStep = Callable[..., Step]
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ANA, BO = Submitter("ana"), Submitter("bo")


def decide(
    by: str, *, approve: bool = True, minute: int = 1, groups: tuple[str, ...] = (), comment: str = ""
) -> Decision:
    at = NOW + timedelta(minutes=minute)
    return Decision(step="release_review", by=by, groups=list(groups), approve=approve, comment=comment, at=at)


def review(step: Step, **arguments: Any) -> Answer | Park:
    """Decodes the arguments as the step runner does and runs the operator."""
    decoded = msgspec.convert({"title": "Release it?", **arguments}, OPERATOR.arguments)
    try:
        return asyncio.run(OPERATOR.run(decoded, step))  # type: ignore[arg-type]  # `run` is a coroutine function
    finally:
        step.log.close()


def failure(step: Step, **arguments: Any) -> StepFailure:
    with pytest.raises(StepFailure) as failed:
        review(step, **arguments)
    return failed.value


def waiting(step: Step, **arguments: Any) -> Waiting:
    parked = review(step, **arguments)
    assert isinstance(parked, Park)
    return parked.waiting


def outputs(step: Step, **arguments: Any) -> dict[str, Any]:
    answer = review(step, **arguments)
    assert isinstance(answer, Answer)
    return answer.outputs


def test_it_asks_what_the_capsule_says(step: MakeStep) -> None:
    reviewers = {"users": ["bo"], "groups": ["leads"], "count": 2, "notSubmitter": True}
    asked = waiting(step(), reviewers=reviewers, show=[{"a": 1}, "text"], due="1h30m", onTimeout="approve")
    assert asked == Waiting(
        title="Release it?",
        users=["bo"],
        groups=["leads"],
        count=2,
        not_submitter=True,
        show=[{"a": 1}, "text"],
        due=NOW + timedelta(minutes=90),
        on_timeout="approve",
    )


def test_the_due_date_stays_where_it_was_when_people_were_first_asked(step: MakeStep) -> None:
    first = waiting(step(), due="1h")
    later = step(asked=first, now=NOW + timedelta(minutes=59), decisions=[decide("bo")])
    assert waiting(later, due="1h", reviewers={"count": 2}).due == first.due == NOW + timedelta(hours=1)


def test_another_question_asked_before_sets_no_due_date(step: MakeStep) -> None:
    consent = Waiting(title="May step `release_review` run?")
    assert waiting(step(asked=consent), due="1h").due == NOW + timedelta(hours=1)


def test_without_a_due_date_it_waits_for_ever(step: MakeStep) -> None:
    first = waiting(step())
    assert waiting(step(asked=first, now=NOW + timedelta(days=4000))).due is None


def test_a_due_date_that_is_no_duration_is_said_in_words(step: MakeStep) -> None:
    assert failure(step(), due="24h\n").message == "`due: '24h\\n'` is not a duration like `24h`"
    assert waiting(step(), due="99999d").due == NOW + timedelta(days=99_999)


def test_it_opens_with_the_approval_that_makes_it_enough(step: MakeStep) -> None:
    two = {"reviewers": {"count": 2}}
    one = [decide("bo", comment="fine")]
    assert waiting(step(decisions=one), **two).count == 2
    both = [*one, decide("cy", minute=2, comment="good")]
    assert outputs(step(decisions=both), **two) == {"decision": "approve", "by": ["bo", "cy"], "comment": "fine\ngood"}


def test_one_person_counts_once(step: MakeStep) -> None:
    twice = [decide("bo"), decide("bo", minute=2)]
    assert waiting(step(decisions=twice), reviewers={"count": 2}).count == 2


@pytest.mark.parametrize("again", ["ana ", " ana", "ANA", "Ana", "ana\u00a0"])
def test_another_spelling_is_no_other_person(step: MakeStep, again: str) -> None:
    decisions = [decide("ana"), decide(again, minute=2)]
    assert isinstance(review(step(decisions=decisions), reviewers={"count": 2}), Park)
    mine = {"users": ["Ana"], "notSubmitter": True, "groups": ["leads"]}
    asked = waiting(step(), reviewers=mine)
    assert objection(asked, decide(again, groups=("leads",)), Submitter(" ana")) == (
        f"{again} started the run, and its submitter may not decide"
    )
    assert objection(waiting(step(), reviewers={"users": ["Ana"]}), decide(again), BO) == ""
    assert objection(waiting(step(), reviewers={"groups": ["Leads"]}), decide("cy", groups=(" leads",)), BO) == ""


def test_letters_put_together_in_two_ways_are_one_name(step: MakeStep) -> None:
    decisions = [decide("Zo\u00eb"), decide("zoe\u0308", minute=2), decide("STRASSE", minute=3), decide("stra\u00dfe")]
    assert isinstance(review(step(decisions=decisions), reviewers={"count": 3}), Park)


@pytest.mark.parametrize("name", ["", "  ", "\u00a0"])
def test_a_decision_without_a_name_does_not_count(step: MakeStep, name: str) -> None:
    assert objection(waiting(step()), decide(name), BO) == "a decision needs a name"
    assert isinstance(review(step(decisions=[decide(name)])), Park)


@pytest.mark.parametrize("name", ["ana\n", "a\x1b[2Jna", "an\u200ba", "\u202eana", "\x00", "\ud800"])
def test_a_name_that_cannot_be_seen_does_not_count(step: MakeStep, name: str) -> None:
    assert isinstance(review(step(decisions=[decide(name)])), Park)


def test_one_person_named_twice_cannot_give_two_approvals(step: MakeStep) -> None:
    why = failure(step(), reviewers={"users": ["ana", "Ana "], "count": 2}).message
    assert why == "it can never be approved: it needs 2 approvals, and only ana may give one"


def test_one_rejection_closes_it_and_says_who_and_why(step: MakeStep) -> None:
    decisions = [decide("bo"), decide("cy", approve=False, minute=2, comment="no tests")]
    rejected = failure(step(decisions=decisions), reviewers={"count": 2})
    assert (rejected.failure_class, rejected.message) == ("denied", "rejected by cy: no tests")


def test_a_rejection_after_enough_approvals_comes_too_late(step: MakeStep) -> None:
    decisions = [decide("cy", approve=False, minute=2), decide("bo", minute=1)]
    assert outputs(step(decisions=decisions))["by"] == ["bo"]


@pytest.mark.parametrize(
    ("reviewers", "by", "groups", "may"),
    [
        ({}, "anyone", (), True),
        ({"users": ["bo"]}, "bo", (), True),
        ({"users": ["bo"]}, "cy", (), False),
        ({"users": ["bo"]}, "Bo", (), True),
        ({"groups": ["leads"]}, "cy", ("leads", "x"), True),
        ({"groups": ["leads"]}, "leads", (), False),
        ({"users": ["bo"], "groups": ["leads"]}, "bo", (), True),
        ({"users": ["bo"], "groups": ["leads"]}, "cy", ("leads",), True),
        ({"users": ["bo"], "groups": ["leads"]}, "cy", ("bo",), False),
        ({}, "ana", (), True),
        ({"notSubmitter": True}, "ana", (), False),
        ({"notSubmitter": True, "users": ["ana", "bo"]}, "ana", (), False),
        ({"notSubmitter": True, "groups": ["leads"]}, "ana", ("leads",), False),
        ({}, "  ", (), False),
    ],
)
@pytest.mark.parametrize("approve", [True, False])
def test_only_reviewers_count(
    step: MakeStep, reviewers: dict[str, Any], by: str, groups: tuple[str, ...], *, may: bool, approve: bool
) -> None:
    made = step(decisions=[decide(by, groups=groups, approve=approve)])
    if not may:
        assert waiting(made, reviewers=reviewers)
        assert "does not count" in made.log.path.read_text()
    elif approve:
        assert outputs(made, reviewers=reviewers)["by"] == [by]
    else:
        assert failure(made, reviewers=reviewers).failure_class == "denied"


def test_who_may_not_decide_is_told_who_may() -> None:
    asked = Waiting(title="?", users=["bo"], groups=["leads"], not_submitter=True)
    assert objection(asked, decide("cy"), ANA) == "cy is not among the reviewers: bo, members of leads"
    assert objection(asked, decide("ana"), ANA) == "ana started the run, and its submitter may not decide"
    assert objection(asked, decide("bo"), ANA) == ""


def test_when_the_time_is_up_it_is_rejected(step: MakeStep) -> None:
    first = waiting(step(), due="1h")
    late = failure(step(asked=first, now=NOW + timedelta(hours=1)), due="1h")
    assert late.failure_class == "denied"
    assert late.message == "rejected: 0 of 1 approvals when the time was up (2026-11-24 09:00:00 UTC)"


def test_when_the_time_is_up_it_opens_only_if_the_capsule_says_so(step: MakeStep) -> None:
    first = waiting(step(), due="1h", onTimeout="approve")
    late = step(asked=first, now=NOW + timedelta(hours=2), decisions=[decide("bo")])
    assert outputs(late, due="1h", onTimeout="approve", reviewers={"count": 2}) == {
        "decision": "approve",
        "by": ["bo"],
        "comment": "approved by `onTimeout`: 1 of 2 approvals when the time was up (2026-11-24 09:00:00 UTC)",
    }


def test_an_approval_in_time_counts_although_the_step_looks_only_later(step: MakeStep) -> None:
    first = waiting(step(), due="1h")
    away = step(asked=first, now=NOW + timedelta(days=3), decisions=[decide("bo", minute=59)])
    assert outputs(away, due="1h")["by"] == ["bo"]


def test_an_approval_after_the_time_is_up_opens_nothing(step: MakeStep) -> None:
    first = waiting(step(), due="1h")
    away = step(asked=first, now=NOW + timedelta(days=3), decisions=[decide("bo", minute=61)])
    assert failure(away, due="1h").failure_class == "denied"


@pytest.mark.parametrize("verdict", ["allow", "audit"])
def test_nobody_is_asked_when_the_verdict_lets_it_through(step: MakeStep, verdict: str) -> None:
    assert outputs(step(), verdict=verdict) == {"decision": "allow", "by": [], "comment": ""}


def test_people_are_asked_when_the_verdict_wants_a_review(step: MakeStep) -> None:
    assert waiting(step(), verdict="require_review").title == "Release it?"


@pytest.mark.parametrize(("verdict", "failure_class"), [("deny", "denied"), ("Allow", "error"), ("", "error")])
def test_any_other_verdict_keeps_it_closed_whatever_people_say(
    step: MakeStep, verdict: str, failure_class: str
) -> None:
    assert failure(step(decisions=[decide("bo")]), verdict=verdict).failure_class == failure_class


@pytest.mark.parametrize(
    ("reviewers", "message"),
    [
        ({"users": ["bo"], "count": 2}, "it can never be approved: it needs 2 approvals, and only bo may give one"),
        (
            {"users": ["ana"], "notSubmitter": True},
            "it can never be approved: it needs 1 approval, and nobody may give one, since ana started the run",
        ),
    ],
)
def test_a_question_that_nobody_can_answer_fails_instead_of_waiting(
    step: MakeStep, reviewers: dict[str, Any], message: str
) -> None:
    failed = failure(step(), reviewers=reviewers)
    assert (failed.failure_class, failed.message) == ("error", message)


DECISIONS = st.lists(
    st.builds(
        decide,
        st.sampled_from(["ana", "bo", "cy", "di"]),
        approve=st.booleans(),
        minute=st.integers(0, 20),
        groups=st.sampled_from([(), ("leads",)]),
    ),
    max_size=6,
)
QUESTIONS = st.builds(
    Waiting,
    title=st.just("?"),
    users=st.sampled_from([[], ["bo"], ["bo", "cy"]]),
    groups=st.sampled_from([[], ["leads"]]),
    count=st.integers(1, 3),
    not_submitter=st.booleans(),
    due=st.sampled_from([None, NOW + timedelta(minutes=10)]),
)


@given(QUESTIONS, DECISIONS, st.integers(0, 30))
def test_once_ended_a_review_never_ends_otherwise(asked: Waiting, decisions: list[Decision], minute: int) -> None:
    """Asked at any moment, with the decisions that were there then, it says what it says in the end, or nothing."""
    now = NOW + timedelta(minutes=minute)
    there = [decision for decision in decisions if decision.at <= now]
    at_that_moment = outcome(asked, there, submitter=ANA, now=now)
    in_the_end = outcome(asked, decisions, submitter=ANA, now=NOW + timedelta(days=1))
    if at_that_moment is not None:
        assert in_the_end == at_that_moment
    if in_the_end is not None and in_the_end.kind == "approved":
        people = {decision.by for decision in in_the_end.deciding}
        assert len(people) == asked.count
        assert all(decision.approve and not objection(asked, decision, ANA) for decision in in_the_end.deciding)
