"""Several processes at one bucket: of all who want the same thing one gets it, and nothing that counts is lost."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Budget
from somagent.governance.constitution import default_constitution
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.ledger import Account, AttemptHeld, BudgetExceeded
from somagent.operators.runner.records import Decision, Failure, RunRecord, StepKey, StepResult, Waiting
from somagent.workflows.capsules import compile_content, this_installation
from somagent.workflows.engines.objects import people
from somagent.workflows.engines.objects.attempts import AttemptLost
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.lease import freed
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.protocol import DecisionRefused

AT = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)
KEY = StepKey("r-1", "a")
RUN = RunRecord(id="r-1", capsule="demo", plan_digest="", submitter="ada", inputs={}, created_at=AT)


@pytest.fixture
def process(tmp_path):
    """Makes ledgers that share nothing but the bucket, as those of several processes do."""
    address = f"{os.environ.get('OBJECTS', f'file://{tmp_path}/bucket')}/{os.urandom(4).hex()}"

    def make(*, now=AT, lease_s=60.0) -> ObjectLedger:
        bucket = Bucket(address, patience_s=5)
        folder = tmp_path / f"contents-{os.urandom(4).hex()}"
        return ObjectLedger(bucket, Contents(folder, origin=BucketContents(bucket)), lambda: now, lease_s=lease_s)

    return make


def result(**fields) -> StepResult:
    return StepResult(**{"key": KEY, "phase": "Succeeded", "ended_at": AT, "attempts": 1, **fields})


async def outcomes(*calls):
    """How each ended, all at once."""
    return await asyncio.gather(*calls, return_exceptions=True)


def test_of_all_who_begin_an_attempt_one_has_it(process):
    async def main():
        for number in range(1, 11):
            begun = await outcomes(*(process().begin(KEY, AT) for _ in range(16)))
            (attempt,) = [one for one in begun if not isinstance(one, BaseException)]
            assert {type(one) for one in begun if one is not attempt} == {AttemptHeld}
            assert (attempt.number, attempt.failed_before) == (number, number - 1)
            failed = Failure(failure_class="transient", message="try again")
            await process().attempts_of.end(_ended(attempt, failed))

    asyncio.run(main())


def _ended(attempt, failure):
    return replace(attempt, ended_at=AT, phase="Failed", failure=failure)


def test_the_first_result_stays_and_all_others_are_given_it(process):
    async def main():
        attempt = await process().begin(KEY, AT)
        told = await outcomes(*(process().record(attempt, result(outputs={"n": n})) for n in range(16)))
        assert len({repr(one) for one in told}) == 1
        assert await process().result(KEY) == told[0]

    asyncio.run(main())


def test_who_was_given_up_can_record_nothing_any_more(process):
    async def main():
        one, other = process(), process()
        first = await one.begin(KEY, AT)
        await one.leave(KEY)
        await freed(other.attempts_of, KEY, now=lambda: AT, length_s=0.3)
        second = await other.begin(KEY, AT)
        assert (second.number, second.failed_before) == (2, 0)
        for late in (one.record(first, result(outputs={"n": 1})), one.end(_ended(first, None))):
            with pytest.raises(AttemptLost, match="attempt 1 of r-1/a was ended by others"):
                await late
        assert (await other.record(second, result(outputs={"n": 2}))).outputs == {"n": 2}
        assert (await one.record(first, result(outputs={"n": 1}))).outputs == {"n": 2}
        assert [attempt.phase for attempt in await process().attempts("r-1")] == ["Failed", "Succeeded"]

    asyncio.run(main())


def test_who_signs_is_waited_for_and_who_stops_signing_is_cancelled_when_it_comes_back(process):
    async def main():
        one, other = process(lease_s=2), process()
        await one.begin(KEY, AT)
        with pytest.raises(AttemptHeld):
            await freed(other.attempts_of, KEY, now=lambda: AT, length_s=2, patience_s=4)
        await one.leave(KEY)
        await freed(other.attempts_of, KEY, now=lambda: AT, length_s=2)
        attempt = await one.begin(KEY, AT)
        await other.attempts_of.cut_off(attempt, AT, "as if it were dead")
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(20)
        assert await one.leave(KEY)

    asyncio.run(main())


def test_an_attempt_that_nobody_signs_any_more_ended_with_its_last_sign(process):
    async def main():
        one, other, hours = process(lease_s=0.5), process(), AT + timedelta(hours=5)
        attempt = await one.begin(KEY, AT)
        while (sign := await other.attempts_of.last_sign(attempt)) is None or float(sign) < 0.3:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await one.leave(KEY)
        sign = await other.attempts_of.last_sign(attempt)
        await freed(other.attempts_of, KEY, now=lambda: hours, length_s=0.5)
        (ended,) = await other.attempts("r-1")
        assert ended.ended_at == AT + timedelta(seconds=float(sign))
        await other.begin(KEY, hours)  # it dies before its first sign
        await other.leave(KEY)
        await freed(process().attempts_of, KEY, now=lambda: hours + timedelta(hours=5), length_s=0.1)
        return [one.ended_at for one in await process().attempts("r-1")]

    assert asyncio.run(main())[1] == AT + timedelta(hours=5)


def test_a_budget_is_exact_however_many_reserve_at_once(process):
    async def main():
        submitting = process()
        await submitting.deeds.submit(RUN)
        account = Account("r-1", "run", "run", Budget(tokens=10))
        keys = [StepKey("r-1", "a", item) for item in range(32)]

        async def reserve(key):
            ledger = process()
            attempt = await ledger.begin(key, AT)
            await ledger.reserve(key, Amounts(tokens=3), [account])
            return ledger, attempt

        told = await outcomes(*map(reserve, keys))
        assert Counter(type(one) for one in told) == {tuple: 3, BudgetExceeded: 29}
        granted = [one for one in told if isinstance(one, tuple)]
        for ledger, attempt in granted:  # each spends less than it set aside
            closed = replace(attempt, ended_at=AT, phase="Succeeded", spent=Amounts(tokens=1))
            await ledger.record(closed, result(key=attempt.key))
        left = [key for key, one in zip(keys, told, strict=True) if isinstance(one, BudgetExceeded)]
        again = await outcomes(*(process().reserve(key, Amounts(tokens=3), [account]) for key in left))
        assert Counter(type(one) for one in again) == {list: 2, BudgetExceeded: 27}

    asyncio.run(main())


def test_what_a_run_had_spent_when_it_was_first_asked_is_always_the_same(process):
    async def main():
        await process().deeds.submit(RUN)
        account = Account("r-1", "run", "run", Budget())
        for step in "ab":
            key, ledger = StepKey("r-1", step), process()
            attempt = await ledger.begin(key, AT)
            await ledger.reserve(key, Amounts(tokens=9), [account])
            closed = replace(attempt, ended_at=AT, phase="Succeeded", spent=Amounts(tokens=2))
            await ledger.record(closed, result(key=key))
            seen = await process().spent_until(StepKey("r-1", "c"))
            assert seen == Amounts(tokens=2)
        assert await process().spent_until(StepKey("r-1", "d")) == Amounts(tokens=4)

    asyncio.run(main())


def test_two_people_who_decide_at_once_are_weighed_one_after_the_other(process):
    async def main():
        ledger = process()
        await _submit(ledger)
        await _park(ledger, Waiting(title="Go on?", count=2))
        names = ["bo", "Bo", "cy", "di", "eve"]
        decisions = [Decision(step="a", by=name, approve=True, at=AT) for name in names]
        told = await outcomes(*(people.decide(process(), "r-1", one, "show") for one in decisions))
        assert sum(one is None for one in told) == 2
        assert {type(one) for one in told if one is not None} == {DecisionRefused}
        assert len(await process().decisions(KEY)) == 2
        checked = await process().deeds.check("r-1")
        assert (checked.entries, checked.fault) == (3, "")

    asyncio.run(main())


async def _submit(ledger):
    """With its plan, which says of which kind a step is that people decide on."""
    head = b"apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: demo }\nspec:\n"
    spec = b"  steps: { a: { review: { title: Go on? } } }\n"
    done = compile_content(Path("demo.capsule.yaml"), head + spec, this_installation(), default_constitution())
    await people.submit(ledger, RUN, done.plan, done.contents)


async def _park(ledger, waiting):
    attempt = await ledger.begin(KEY, AT)
    await ledger.end(replace(attempt, ended_at=AT, phase="Waiting", waiting=waiting))


def test_once_somebody_saw_that_the_time_is_over_nobody_decides_however_slow_their_clock(process):
    async def main():
        ledger = process()
        await _submit(ledger)
        await _park(ledger, Waiting(title="Go on?", due=AT + timedelta(hours=1)))
        looking = process(now=AT + timedelta(hours=2))
        await looking.begin(KEY, AT)
        assert await looking.decisions(KEY) == []
        with pytest.raises(DecisionRefused, match="the time to decide ended before that, as step `a` has seen"):
            await people.decide(process(), "r-1", Decision(step="a", by="bo", approve=True, at=AT), "show")

    asyncio.run(main())


def test_steps_that_look_at_once_in_one_process_see_everything_once(process):
    async def main():
        await process().deeds.submit(RUN)
        await people.cancel(process(), "r-1", by="ada", at=AT.isoformat())
        for _ in range(2):
            attempt = await process().begin(KEY, AT)
            await process().attempts_of.end(_ended(attempt, Failure(failure_class="transient", message="try again")))
        ledger = process()
        told = await outcomes(
            *(look for _ in range(3) for look in (ledger.attempts_of.ends(KEY), ledger.deeds.all("r-1")))
        )
        assert [len(one) for one in told] == [2] * 6
        assert [one.attempt.number for one in told[0]] == [1, 2]

    asyncio.run(main())


def test_a_run_id_is_taken_once(process):
    async def main():
        runs = [replace(RUN, submitter=name) for name in ("ada", "bo", "cy")]
        told = await outcomes(*(process().deeds.submit(run) for run in runs))
        assert sorted(type(one).__name__ for one in told) == ["EngineError", "EngineError", "NoneType"]
        await process().deeds.submit(await process().run("r-1"))  # the very same: nothing new

    asyncio.run(main())
