"""Who waited for what: every stretch of a step's time has a name, and the stretches add up."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from somagent.capsule_compiler.plan import CapsuleInfo, Edge, Node, Plan, RuleBook
from somagent.operators.runner.records import Attempt, Decision, Failure, Phase, RunRecord, StepKey, Waiting
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.report.axis import axis_of
from somagent.workflows.report.timeline import timeline
from somagent.workflows.report.timing import Link, measure
from somagent.workflows.report.words import duration

START = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(step: str, number: int, begun: float, ended: float | None, **more: Any) -> Attempt:
    times = {"started_at": at(begun), "ended_at": None if ended is None else at(ended)}
    return Attempt(key=StepKey("r-1", step), number=number, phase=more.pop("phase", "Succeeded"), **times, **more)


def step(name: str, *history: Attempt, phase: Phase = "Succeeded", ended: float | None = None, **more: Any) -> StepView:
    last = ended if ended is not None else None
    if last is None and history and history[-1].ended_at is not None and phase in {"Succeeded", "Failed"}:
        last = (history[-1].ended_at - START).total_seconds()
    return StepView(
        id=name,
        operator="script",
        phase=phase,
        attempts=len(history),
        started_at=history[0].started_at if history else None,
        ended_at=None if last is None else at(last),
        history=list(history),
        **more,
    )


def view(*steps: StepView, needs: dict[str, list[str]], finals: int = 0, **more: Any) -> RunView:
    nodes = [
        Node(
            id=one.id,
            operator=one.operator,
            timeout_ms=1000,
            needs=[Edge(step=need, kind="data") for need in needs.get(one.id, [])],
        )
        for one in steps
    ]
    cut = len(nodes) - finals
    plan = Plan(
        format="plan/v1",
        capsule=CapsuleInfo(name="timed"),
        constitution=RuleBook(name="none", version="1", digest="", document={}),
        nodes=nodes[:cut],
        finals=nodes[cut:],
        catalogue="",
    )
    run = RunRecord(id="r-1", capsule="timed", plan_digest="", submitter="ada", inputs={}, created_at=START)
    fields = {"phase": "Succeeded", "started_at": START, "ended_at": at(20), **more}
    return RunView(run=run, plan=plan, steps=list(steps), **fields)


def spans(timing: Any) -> list[tuple[str, float, float]]:
    return [
        (span.kind, (span.start - START).total_seconds(), (span.end - START).total_seconds()) for span in timing.spans
    ]


def test_a_step_waits_for_the_need_that_ended_last_then_for_its_start() -> None:
    run = view(
        step("quick", attempt("quick", 1, 0, 2)),
        step("slow", attempt("slow", 1, 0, 5)),
        step("both", attempt("both", 1, 6, 9)),
        needs={"both": ["quick", "slow"]},
    )
    both = measure(run, at(99)).steps["both"]
    assert both.waited_for == "slow"
    assert spans(both) == [("needs", 0, 5), ("queue", 5, 6), ("run", 6, 9)]


def test_between_two_attempts_the_pause_is_told_from_the_wait_for_a_place() -> None:
    failure = Failure(failure_class="transient", message="busy")
    first = attempt("work", 1, 0, 1, phase="Failed", failure=failure, retry_at=at(4))
    timing = measure(view(step("work", first, attempt("work", 2, 5, 6)), needs={}), at(99)).steps["work"]
    assert spans(timing) == [("run", 0, 1), ("retry", 1, 4), ("queue", 4, 5), ("run", 5, 6)]
    assert [span.failed for span in timing.spans] == [True, False, False, False]


def test_people_are_waited_for_until_they_decided_and_not_until_the_run_went_on() -> None:
    asked = Waiting(title="Go?")
    run = view(
        step("gate", attempt("gate", 1, 0, 1, phase="Waiting", waiting=asked), attempt("gate", 2, 9, 10)),
        needs={},
        decisions=[Decision(step="gate", by="grace", approve=True, at=at(7))],
    )
    assert spans(measure(run, at(99)).steps["gate"]) == [
        ("run", 0, 1),
        ("people", 1, 7),
        ("queue", 7, 9),
        ("run", 9, 10),
    ]


def test_who_did_not_answer_in_time_was_waited_for_until_then() -> None:
    asked = Waiting(title="Go?", due=at(4))
    first = attempt("gate", 1, 0, 1, phase="Waiting", waiting=asked)
    run = view(step("gate", first, attempt("gate", 2, 6, 7)), needs={})
    assert spans(measure(run, at(99)).steps["gate"])[1:3] == [("people", 1, 4), ("queue", 4, 6)]


def test_time_without_a_process_belongs_to_nobody() -> None:
    dead = Failure(failure_class="cut_off", message="the process ended")
    first = attempt("work", 1, 0, 1, phase="Failed", failure=dead)
    timing = measure(view(step("work", first, attempt("work", 2, 8, 9)), needs={}), at(99)).steps["work"]
    assert spans(timing) == [("run", 0, 1), ("stopped", 1, 8), ("run", 8, 9)]


def test_what_is_still_going_on_ends_now_and_what_was_left_ends_with_the_last_record() -> None:
    open_step = step("work", attempt("work", 1, 2, None, phase="Running"), phase="Running")
    going = view(open_step, needs={}, phase="Running", ended_at=None)
    assert spans(measure(going, at(30)).steps["work"]) == [("queue", 0, 2), ("run", 2, 30)]
    left = view(open_step, needs={}, phase="Pending", ended_at=None)
    assert measure(left, at(30)).end == at(2)


def test_a_clock_that_was_set_back_makes_no_time_negative() -> None:
    run = view(
        step("first", attempt("first", 1, 5, 6)),
        step("second", attempt("second", 1, 3, 2)),
        needs={"second": ["first"]},
    )
    for timing in measure(run, at(99)).steps.values():
        assert all(span.end >= span.start for span in timing.spans)
        assert all(a.end <= b.start for a, b in zip(timing.spans, timing.spans[1:], strict=False))


def test_the_chain_adds_up_to_the_whole_run() -> None:
    run = view(
        step("a", attempt("a", 1, 0, 3)),
        step("b", attempt("b", 1, 0, 1)),
        step("c", attempt("c", 1, 4, 6)),
        step("tidy", attempt("tidy", 1, 7, 8)),
        needs={"c": ["a", "b"]},
        finals=1,
    )
    chain = measure(run, at(99)).chain
    assert [link.step for link in chain] == ["a", "c", "tidy"]
    assert sum((link.share for link in chain), timedelta()) == timedelta(seconds=8)


def test_a_step_that_never_started_is_no_link_of_the_chain() -> None:
    run = view(
        step("a", attempt("a", 1, 0, 3, phase="Failed"), phase="Failed"),
        step("b", phase="Omitted", ended=4),
        step("tidy", attempt("tidy", 1, 5, 6)),
        needs={"b": ["a"]},
        finals=1,
        phase="Failed",
    )
    second = timedelta(seconds=1)
    assert measure(run, at(99)).chain == [Link("a", 3 * second), Link("tidy", 3 * second, second)]


def test_a_run_of_seconds_that_waited_for_days_is_still_readable() -> None:
    days = 2 * 86_400
    asked = Waiting(title="Go?")
    run = view(
        step("work", attempt("work", 1, 0, 3)),
        step("gate", attempt("gate", 1, 3, 3.1, phase="Waiting", waiting=asked), attempt("gate", 2, days, days + 1)),
        needs={"gate": ["work"]},
        ended_at=at(days + 1),
        decisions=[Decision(step="gate", by="grace", approve=True, at=at(days))],
    )
    axis = axis_of(measure(run, at(days + 1)))
    assert [cut.length for cut in axis.cuts] == [timedelta(seconds=days - 3.1)]
    assert axis.place(at(3)) > 50
    assert 85 > axis.place(at(days)) > axis.place(at(3.1))
    assert axis.place(at(days + 1)) == pytest.approx(100)


def test_without_long_pauses_the_axis_is_true_to_scale() -> None:
    run = view(step("work", attempt("work", 1, 0, 20)), needs={})
    axis = axis_of(measure(run, at(20)))
    assert axis.cuts == []
    assert [axis.place(at(s)) for s in (0, 5, 10, 20)] == pytest.approx([0, 25, 50, 100])
    assert [seconds for _, seconds in axis.ticks()] == [0, 5, 10, 15]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 ms"),
        (0.0004, "0 ms"),
        (0.34, "340 ms"),
        (0.9999, "1.00 s"),
        (3.2, "3.20 s"),
        (9.999, "10.0 s"),
        (59.96, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (4320, "1 h 12 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_are_said_with_their_units(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_the_rows_of_a_real_run_say_what_the_time_went_for(ran: Callable[..., Any]) -> None:
    page = ran(
        """
        steps:
          first: { script: { run: sleep 0.2 } }
          second: { needs: [first], script: { run: sleep 0.1 } }
        """
    ).page
    words = page.row("time", "second")[1]
    assert words.startswith("waited ")
    assert " for first" in words
    assert re.search(r"ran [1-9]\d\d ms", words)
    assert "first" in page.section("time").split("made the run")[1]


def test_a_chain_that_waited_for_places_does_not_blame_its_steps_alone() -> None:
    run = view(
        step("first", attempt("first", 1, 0, 2)), step("last", attempt("last", 1, 12, 14)), needs={"last": ["first"]}
    )
    times = measure(run, at(20))
    assert times.chain == [
        Link("first", timedelta(seconds=2)),
        Link("last", timedelta(seconds=12), timedelta(seconds=10)),
    ]
    said = timeline(run, times)
    assert "For 10.0 s of that they were ready and not started" in said
    assert "Only making one of them faster" not in said
