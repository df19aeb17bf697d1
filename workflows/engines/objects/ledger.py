"""The `Ledger` on an object store; what it promises is said there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Plan, decode_plan
from somagent.operators.deciding import question_of
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.ledger import Account, Exceeded
from somagent.operators.runner.records import Attempt, Decision, Phase, RunRecord, StepKey, StepResult
from somagent.operators.runner.remembered import OBJECT_FACTOR
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.accounts import Accounts
from somagent.workflows.engines.objects.attempts import Attempts, at_once, attempts_in
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.deeds import Deed, Deeds, Overdue, decisions_on
from somagent.workflows.engines.objects.lease import LENGTH_S, Lease, until_at_most
from somagent.workflows.engines.protocol import UnknownRun
from somagent.workflows.engines.rules import Outcome
from somagent.workflows.engines.run_names import child_id


class Closed(Struct, frozen=True):
    """How a run ended."""

    phase: Phase
    outcome: Outcome
    at: datetime


class _Own(NamedTuple):
    """An attempt that is at work here."""

    attempt: Attempt
    lease: Lease


class ObjectLedger:
    """Reads and records of runs in a bucket; `contents` is where their files and large values are.

    An attempt that is begun here is signed for while it is open (`lease`).
    """

    def __init__(
        self, bucket: Bucket, contents: Contents, now: Callable[[], datetime], *, lease_s: float = LENGTH_S
    ) -> None:
        self.bucket, self.contents, self.now, self.lease_s = bucket, contents, now, lease_s
        self.attempts_of = Attempts(bucket)
        self.deeds = Deeds(bucket)
        self._own: dict[StepKey, _Own] = {}
        self._adopted: dict[StepKey, Attempt] = {}
        self._accounts: dict[str, Accounts] = {}

    async def run(self, run_id: str) -> RunRecord:
        try:
            return await self.deeds.run(run_id)
        except UnknownRun as error:
            raise KeyError(run_id) from error

    async def plan(self, run_id: str) -> Plan:
        """The run's plan; whoever works looks at it again and again."""
        key = ("plan", (await self.run(run_id)).plan_digest)
        plan: Plan | None = self.contents.remembered.get(key)
        if plan is None:
            content = await self.contents.beside(self.contents.read_bytes, key[1])
            plan = decode_plan(content)
            self.contents.remembered.put(key, plan, OBJECT_FACTOR * len(content))
        return plan

    async def result(self, key: StepKey) -> StepResult | None:
        return await self.attempts_of.result(key)

    async def item_results(self, run_id: str, step: str) -> Sequence[StepResult]:
        keys = [key for key in await self.attempts_of.keys(run_id, step) if key.item >= 0]
        found = [ends[-1].result for ends, _ in await self.attempts_of.of(keys) if ends]
        return [result for result in found if result is not None]

    async def started_at(self, run_id: str) -> datetime | None:
        content = await self.bucket.read(names.started(run_id))
        return None if content is None else datetime.fromisoformat(content.decode())

    async def start(self, run_id: str, at: datetime) -> None:
        """Notes when the run was first worked on; nearly always that is known already."""
        if await self.bucket.read(names.started(run_id)) is None:
            await self.bucket.claim(names.started(run_id), at.isoformat().encode())

    async def open(self, key: StepKey, items: int) -> None:
        """Notes for people how many items a fan-out has."""
        await self.bucket.claim(names.opened(key.run, key.step), str(items).encode())

    async def items(self, key: StepKey) -> int | None:
        """How many items were noted; None when the fan-out was not opened."""
        content = await self.bucket.read(names.opened(key.run, key.step))
        return None if content is None else int(content)

    async def close(self, run_id: str, phase: Phase, outcome: Outcome, at: datetime) -> Closed:
        """Notes how a run ended; the first time stays."""
        return _decode_closed(await self.bucket.claim(names.ended(run_id), _encode(Closed(phase, outcome, at))))

    async def closed(self, run_id: str) -> Closed | None:
        """How a run ended, when it has."""
        content = await self.bucket.read(names.ended(run_id))
        return None if content is None else _decode_closed(content)

    async def spent_in(self, run_id: str) -> Amounts:
        """What ended attempts have spent in the run and in those inside it."""
        return await (await self._accounts_of(run_id)).spent_in(run_id)

    async def spent_until(self, key: StepKey) -> Amounts:
        name = names.spent(key)
        noted = await self.bucket.read(name)
        if noted is None:
            spent = await self.spent_in(key.run)
            noted = await self.bucket.claim(name, _encode(spent))
        return _decode_amounts(noted)

    async def decisions(self, key: StepKey) -> Sequence[Decision]:
        await self._close_when_due(key)
        return decisions_on(await self.deeds.all(key.run), key)

    async def begin(self, key: StepKey, at: datetime) -> Attempt | StepResult:
        since = asyncio.get_running_loop().time()
        begun = self._adopted.pop(key, None) or await self.attempts_of.begin(key, at)
        if isinstance(begun, Attempt):
            self._own[key] = _Own(begun, Lease(self.attempts_of, begun, self.lease_s, since))
        return begun

    async def adopt(self, key: StepKey) -> None:
        """Goes on with the attempt that is open, which others left for that: the next `begin` gives it."""
        begun = await self.attempts_of.open_attempt(key)
        self._adopted.pop(key, None)
        if begun is not None:
            self._adopted[key] = begun.attempt

    async def end(self, attempt: Attempt) -> None:
        self._conclude(attempt.key)
        await self.attempts_of.end(attempt)
        await self.leave(attempt.key)

    async def record(self, attempt: Attempt | None, result: StepResult) -> StepResult:
        self._conclude(result.key)
        recorded = await self.attempts_of.record(attempt, result)
        await self.leave(result.key)
        return recorded

    def _conclude(self, key: StepKey) -> None:
        own = self._own.get(key)
        if own is not None:
            own.lease.conclude()

    def at_work(self, key: StepKey) -> Attempt | None:
        """The attempt that was begun here and has not ended."""
        own = self._own.get(key)
        return None if own is None else own.attempt

    async def leave(self, key: StepKey | None = None) -> bool:
        """Signs no more for what was begun here, one attempt or all; whether one of them was lost before."""
        left = [self._own.pop(one) for one in list(self._own) if key in {one, None}]
        for own in left:
            await own.lease.give_back()
        return any(own.lease.is_lost for own in left)

    async def keep_log(self, key: StepKey, attempt: int, content: bytes, *, whole: bool = True) -> None:
        """Keeps what an attempt wrote, for people; or, before that is the `whole`, what it has written so far."""
        await self.bucket.overwrite((names.log if whole else names.said)(key, attempt), content)

    async def attempts(self, run_id: str, step: str = "", item: int | None = None) -> Sequence[Attempt]:
        keys = [StepKey(run_id, step, item)] if item is not None else await self.attempts_of.keys(run_id, step)
        return attempts_in(await self.attempts_of.of(keys))

    async def work(self, run_id: str, step: str = "", item: int | None = None) -> Sequence[Attempt]:
        """Nobody is at work for a step that is a capsule while people are asked inside, or a pod is waited for.

        What others have open counts as far as they have signed for it: they may be dead.
        """
        plan, attempts = await self.plan(run_id), await self.attempts(run_id, step, item)
        capsules = {one.key for one in attempts if plan.node(one.key.step).capsule}
        found = await at_once([self._as_signed_for(one) for one in attempts if one.key not in capsules])
        for key in capsules:
            for run in await self.runs_of(key):
                found += await self.work(run.id)
        return found

    async def _as_signed_for(self, attempt: Attempt) -> Attempt:
        if attempt.ended_at is not None or self.at_work(attempt.key) == attempt:
            return attempt
        until = await until_at_most(self.attempts_of, attempt, self.now(), self.lease_s)
        return replace(attempt, ended_at=until)

    async def runs_of(self, key: StepKey) -> list[RunRecord]:
        """The runs of the step's capsule, oldest first."""
        found: list[RunRecord] = []
        while (run := await self.deeds.submitted(child_id(key, len(found) + 1))) is not None:
            found.append(run)
        return found

    async def is_open_inside(self, key: StepKey) -> bool:
        inside = await self.runs_of(key)
        return bool(inside) and await self.closed(inside[-1].id) is None

    async def reserve(
        self, key: StepKey, amounts: Amounts, accounts: Sequence[Account], beyond: Container[str] = ()
    ) -> Sequence[Exceeded]:
        return await (await self._accounts_of(key.run)).reserve(key, amounts, accounts, beyond)

    async def _close_when_due(self, key: StepKey) -> None:
        """Whoever looks at a question when its time is over closes it for those who decide."""
        own = self._own.get(key)
        asked = own.attempt.asked if own is not None else None
        if asked is None or asked.due is None or self.now() < asked.due:
            return
        deed = Deed(overdue=Overdue(key.step, key.item, question_of(asked)), at=self.now().isoformat())
        await self.deeds.append(
            key.run, lambda deeds: None if any(one.overdue == deed.overdue for one in deeds) else deed
        )

    async def _accounts_of(self, run_id: str) -> Accounts:
        """The books of the run that this one is inside of, or of itself."""
        run = await self.run(run_id)
        while run.parent is not None:
            run = await self.run(run.parent.run)
        return self._accounts.setdefault(run.id, Accounts(self.bucket, self.attempts_of, run.id))


_encode = msgspec.json.Encoder().encode
_decode_closed = msgspec.json.Decoder(Closed).decode
_decode_amounts = msgspec.json.Decoder(Amounts).decode
