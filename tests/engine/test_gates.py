# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""A step that waits for people is a row: waiting costs nothing, and any process may write the decision down."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from somagent.capsule_compiler.plan import FanOut, Template
from somagent.operators.deciding import question_of
from somagent.operators.review import OPERATOR as REVIEW
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.local.reading import waiting_for_people
from somagent.workflows.engines.protocol import DecisionRefused, UnknownRun

SUBMITTED = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)


def decision(by="bob", *, approve=True, step="gate", **fields) -> Decision:
    return Decision(step=step, by=by, approve=approve, at=SUBMITTED + timedelta(minutes=1), **fields)


@pytest.fixture
def gate(make_node):
    def make(step="gate", *needs, **arguments):
        return make_node(step, *needs, operator="ask", arguments=arguments, gate=True)

    return make


@pytest.fixture
def parked(run_plan, make_plan, gate, make_node, clock):
    """Runs `before -> gate -> after` and gives the parked run."""

    def run(**arguments):
        plan = make_plan(make_node("before"), gate("gate", "before", **arguments), make_node("after", "gate"))
        return run_plan(plan, clock=clock)

    return run


@pytest.fixture
def decide(make_engine, go, clock):
    """Writes decisions down in a process without a lease, then goes on with the run."""

    async def main(run, decisions):
        async with make_engine(clock) as engine:
            for one in decisions:
                await engine.signal(run, one)
        async with make_engine(clock) as engine:
            return await engine.run(run)

    return lambda run, *decisions: go(main(run, decisions))


def test_a_run_parks_when_only_people_can_go_on(parked, phases, make_engine):
    view = parked()
    assert view.phase == "Waiting"
    assert phases(view) == {"before": "Succeeded", "gate": "Waiting", "after": "Pending"}
    assert view.steps[1].waiting.title == "May gate pass?"
    assert view.held_by is None
    assert view.ended_at is None
    assert [run.phase for run in make_engine().runs()] == ["Waiting"]


def test_other_branches_go_on_before_a_run_parks(run_plan, make_plan, gate, make_node, phases):
    view = run_plan(make_plan(gate(), make_node("a"), make_node("b", "a")))
    assert phases(view) == {"gate": "Waiting", "a": "Succeeded", "b": "Succeeded"}
    assert view.phase == "Waiting"


def test_an_approved_gate_opens(parked, decide, phases):
    view = decide(parked().run.id, decision())
    assert view.phase == "Succeeded"
    assert phases(view) == {"before": "Succeeded", "gate": "Succeeded", "after": "Succeeded"}
    assert view.decisions == [decision(question=question_of(view.steps[1].history[0].waiting))]
    assert [attempt.phase for attempt in view.steps[1].history] == ["Waiting", "Succeeded"]
    assert len(view.steps[0].history) == 1


def test_a_rejected_gate_stays_closed(parked, decide, phases):
    view = decide(parked().run.id, decision(approve=False))
    assert phases(view) == {"before": "Succeeded", "gate": "Failed", "after": "Omitted"}
    assert view.failure.message == "step `gate`: rejected by bob"


def test_a_run_goes_on_waiting_until_enough_people_approved(parked, decide):
    run = parked(count=2).run.id
    view = decide(run, decision())
    assert (view.phase, view.steps[1].attempts) == ("Waiting", 1)
    assert decide(run, decision(by="eve")).phase == "Succeeded"


@pytest.mark.parametrize(
    ("asked", "given", "why"),
    [
        ({"users": ["eve"]}, decision(), "bob is not among the reviewers: eve"),
        ({"groups": ["leads"]}, decision(groups=["staff"]), "members of leads"),
        ({"not_submitter": True}, decision(by="ada"), "ada started the run"),
        ({}, decision(by=" "), "needs a name"),
        ({}, decision(step="after"), "step `after` does not wait for a decision"),
        ({}, decision(step="before"), "step `before` does not wait any more: it is Succeeded"),
        ({}, decision(item=3), "does not wait for a decision"),
    ],
)
def test_who_may_not_decide_is_told_why_and_nothing_is_written(parked, make_engine, go, asked, given, why):
    run = parked(**asked).run.id

    async def main():
        async with make_engine() as engine:
            with pytest.raises(DecisionRefused, match=why):
                await engine.signal(run, given)
            return engine.view(run)

    assert go(main()).decisions == []


def test_named_reviewers_and_members_of_named_groups_may_both_decide(parked, decide):
    view = decide(
        parked(users=["bob"], groups=["leads"], count=2).run.id, decision(), decision(by="eve", groups=["leads"])
    )
    assert view.phase == "Succeeded"


def test_one_person_decides_once(parked, make_engine, go):
    run = parked(count=2).run.id

    async def main():
        async with make_engine() as engine:
            await engine.signal(run, decision())
            with pytest.raises(DecisionRefused, match="bob has decided on step `gate` already"):
                await engine.signal(run, decision(approve=False))
            return engine.view(run)

    view = go(main())
    assert view.decisions == [decision(question=question_of(view.steps[1].waiting))]


@pytest.mark.parametrize(("approve", "how"), [(True, "approved"), (False, "rejected")])
def test_a_gate_that_is_decided_takes_no_other_decision_even_before_the_run_goes_on(
    parked, make_engine, go, decide, approve, how
):
    """Else somebody would believe that he had stopped what is on its way."""
    run = parked().run.id

    async def main():
        async with make_engine() as engine:
            await engine.signal(run, decision(approve=approve))
            for by in ("bob", "eve"):
                with pytest.raises(DecisionRefused, match=f"step `gate` is decided: {how} by bob"):
                    await engine.signal(run, decision(by=by, approve=not approve))
            return engine.view(run)

    assert [one.by for one in go(main()).decisions] == ["bob"]
    assert decide(run).phase == ("Succeeded" if approve else "Failed")


def test_a_run_that_was_cancelled_takes_no_decision_even_before_it_has_stopped(parked, make_engine, go):
    run = parked().run.id

    async def main():
        async with make_engine() as engine:
            await engine.cancel(run, by="ada")
            with pytest.raises(DecisionRefused, match=f"{run} was cancelled by ada"):
                await engine.signal(run, decision())
            await engine.run(run)
            with pytest.raises(DecisionRefused, match="does not wait any more: it is Cancelled"):
                await engine.signal(run, decision())

    go(main())


@pytest.mark.parametrize("again", ["retry_from", "rerun"])
def test_who_starts_a_run_again_is_its_submitter(parked, make_engine, go, again):
    """Else somebody could change what another one started, and then approve it."""
    run = parked(not_submitter=True).run.id

    async def main():
        async with make_engine() as engine:
            new = await getattr(engine, again)(run, submitter="bob")
            await engine.run(new)
            with pytest.raises(DecisionRefused, match="bob started the run"):
                await engine.signal(new, decision())
            await engine.signal(new, decision(by="ada"))
            return await engine.run(new), await engine.run(await getattr(engine, again)(run))

    new, same = go(main())
    assert (new.run.submitter, new.phase) == ("bob", "Succeeded")
    assert (same.run.submitter, same.phase) == ("ada", "Waiting")


def test_whom_runs_wait_for_is_listed_with_who_has_approved(parked, make_engine, go, clock, place):
    first = parked(users=["bob", "eve"], count=2, not_submitter=True).run.id
    clock.wall += timedelta(days=3)
    second = parked().run.id

    async def main():
        async with make_engine() as engine:
            await engine.signal(first, decision())

    go(main())
    listed = waiting_for_people(place)
    assert [(one.run.id, one.step, one.who, one.approved) for one in listed] == [
        (first, "gate", "bob, eve, not ada", ("bob",)),
        (second, "gate", "anyone", ()),
    ]
    assert [one.since - SUBMITTED for one in listed] == [timedelta(), timedelta(days=3)]


def test_a_decision_on_an_unknown_run_makes_no_directory(make_engine, go, tmp_path):
    async def main():
        async with make_engine() as engine:
            with pytest.raises(UnknownRun):
                await engine.signal("r-1", decision())

    go(main())
    assert list(tmp_path.iterdir()) == []


def test_a_decision_written_by_another_process_is_noticed_by_the_one_at_work(
    make_engine, go, make_plan, gate, make_node, tmp_path
):
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 1.5})

    async def main():
        async with make_engine() as working, make_engine() as deciding:
            run = await working.submit(
                make_plan(slow, gate(), make_node("after", "gate")), {}, submitter="ada", files={}
            )
            work = asyncio.create_task(working.run(run))
            while deciding.view(run).steps[1].phase != "Waiting":  # noqa: ASYNC110 -- the truth is in a file
                await asyncio.sleep(0.02)
            assert deciding.view(run).phase == "Running"
            await deciding.signal(run, decision())
            while deciding.view(run).steps[2].phase != "Succeeded":
                assert not work.done()
                await asyncio.sleep(0.02)
            seen = deciding.view(run)
            return seen, await work

    seen, view = go(main())
    assert seen.steps[0].phase == "Running"
    assert view.phase == "Succeeded"


@pytest.mark.parametrize(("deed", "phase"), [("decide", "Succeeded"), ("cancel", "Cancelled")])
def test_what_another_process_writes_just_before_a_run_parks_is_taken_in(
    make_engine, go, make_plan, gate, make_node, tmp_path, deed, phase
):
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 0.5})
    runs = []

    async def write():
        async with make_engine() as other:
            (run,) = runs
            assert other.view(run).steps[1].phase == "Waiting"
            await (other.signal(run, decision()) if deed == "decide" else other.cancel(run, by="bob"))

    def at_the_last_record(moment):
        if moment == "record.committed" and deed not in done:
            done.append(deed)
            asyncio.run(write())  # this is the thread that writes; nobody is told of the record yet

    async def main():
        async with make_engine(crash=at_the_last_record) as engine:
            runs.append(await engine.submit(make_plan(slow, gate()), {}, submitter="ada", files={}))
            return await engine.run(*runs)

    done = []
    assert go(main()).phase == phase
    assert done == [deed]


def test_a_due_date_that_passes_while_others_work_is_noticed(make_engine, go, make_plan, gate, make_node, tmp_path):
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 1.0})
    due = datetime.now(UTC) + timedelta(seconds=0.4)

    async def main():
        async with make_engine() as engine:
            plan = make_plan(slow, gate(due=due.isoformat()))
            return await engine.run(await engine.submit(plan, {}, submitter="ada", files={}))

    view = go(main())
    assert view.steps[1].failure.message == "timed_out by nobody"
    assert view.steps[1].ended_at < view.steps[0].ended_at


def test_a_due_date_that_passed_meanwhile_is_noticed_when_the_run_goes_on(parked, decide, clock):
    run = parked(due=(clock.now() + timedelta(hours=1)).isoformat()).run.id
    assert decide(run).phase == "Waiting"
    clock.wall += timedelta(hours=2)
    view = decide(run)
    assert view.steps[1].failure.message == "timed_out by nobody"
    with pytest.raises(DecisionRefused, match=r"it is Failed; the time to decide ended at .* reject is the answer"):
        decide(run, decision())


@pytest.mark.parametrize(("days", "why"), [(30, None), (31, "the time to decide ended at 2026-12-25 07:12:00 UTC")])
def test_a_run_waits_for_a_month_and_not_a_minute_longer(
    run_plan, make_plan, make_node, make_engine, go, clock, days, why
):
    arguments = {"title": "Release?", "due": "31d"}
    review = make_node("gate", operator="review", gate=True, outputs=REVIEW.entry.outputs, arguments=arguments)
    run = run_plan(make_plan(review), clock=clock).run.id
    clock.wall += timedelta(days=days)

    async def main():
        async with make_engine(clock) as engine:  # another process, a month later
            late = Decision(step="gate", by="bob", approve=True, at=clock.now())
            if why:
                with pytest.raises(DecisionRefused, match=why):
                    await engine.signal(run, late)
            else:
                await engine.signal(run, late)
            return await engine.run(run)

    view = go(main())
    assert (view.phase, view.steps[0].attempts) == ("Failed" if why else "Succeeded", 2)


def test_each_item_of_a_fan_out_is_decided_for_itself(run_plan, make_plan, make_node, decide, clock):
    fan = FanOut(items=Template(value=["x", "y"]), name="one", item_schema={"type": "string"})
    view = run_plan(make_plan(make_node("gate", operator="ask", gate=True, fan_out=fan)), clock=clock)
    assert [item.phase for item in view.steps[0].items] == ["Waiting", "Waiting"]
    run = view.run.id
    view = decide(run, decision(item=1))
    assert (view.phase, view.steps[0].phase) == ("Waiting", "Waiting")
    assert [item.phase for item in view.steps[0].items] == ["Waiting", "Succeeded"]
    assert decide(run, decision(item=0)).phase == "Succeeded"


def test_a_real_review_parks_and_opens(run_plan, make_plan, make_node, decide, clock):
    review = make_node(
        "gate",
        operator="review",
        gate=True,
        outputs=REVIEW.entry.outputs,
        arguments={"title": "Release?", "reviewers": {"users": ["bob"]}},
    )
    view = run_plan(make_plan(review, make_node("after", "gate")), clock=clock)
    assert (view.phase, view.steps[0].waiting.title) == ("Waiting", "Release?")
    view = decide(view.run.id, decision())
    assert (view.phase, view.failure) == ("Succeeded", None)
