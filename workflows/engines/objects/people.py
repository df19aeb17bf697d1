"""What people do in runs at a bucket: they start them, decide and cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Plan, encode_plan
from somagent.operators.runner.records import Attempt, Decision, RunRecord, StepKey, StepResult
from somagent.workflows.engines.capsule_files import store_files
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.around import is_at_the_end
from somagent.workflows.engines.objects.attempts import at_once
from somagent.workflows.engines.objects.deeds import Deed, Overdue, cancelled_by, decisions_on
from somagent.workflows.engines.objects.driver import Address
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.reading import run_view
from somagent.workflows.engines.protocol import DecisionRefused, EngineError
from somagent.workflows.engines.rules import is_final
from somagent.workflows.engines.run_names import top_of
from somagent.workflows.engines.weighing import weighed


async def submit(
    ledger: ObjectLedger,
    run: RunRecord,
    plan: Plan,
    files: Mapping[str, bytes] | None,
    *,
    address: Address | None = None,
    results: Sequence[StepResult] = (),
    decisions: Sequence[Decision] = (),
) -> RunRecord:
    """Stores the plan, its files, what the run takes over, and the run, which is there from then on.

    Without `files` they are at the bucket, as those of another run. Raises `EngineError` when the run is there already,
    or its name was given to somebody else.
    """
    contents = ledger.contents
    if files is not None:
        await contents.beside(store_files, contents, plan, files)
    run = replace(run, plan_digest=await contents.beside(contents.put_bytes, encode_plan(plan)))
    if address is not None:
        mine = msgspec.json.encode(address)
        given = await ledger.bucket.claim(names.engine(run.id), mine)
        if given != mine:
            where = msgspec.json.decode(given, type=Address).where
            raise EngineError(f"another one ({where}) has begun to store a run `{run.id}`; take another name")
    await at_once([ledger.record(None, replace(one, key=one.key._replace(run=run.id))) for one in results])
    await ledger.deeds.submit(run, decisions)
    return run


async def address_of(ledger: ObjectLedger, run_id: str) -> Address:
    """Where the run is worked on; raises `UnknownRun`, and `EngineError` when nobody has been given it."""
    await ledger.deeds.run(run_id)
    content = await ledger.bucket.read(names.engine(run_id))
    if content is None:
        raise EngineError(f"{run_id} was given to no engine")
    return msgspec.json.decode(content, type=Address)


async def decide(ledger: ObjectLedger, run_id: str, decision: Decision, show: str) -> None:
    """Writes a decision down that counts; raises `DecisionRefused`. `show` is how people look at the run."""
    key = StepKey(run_id, decision.step, decision.item)
    run = await ledger.deeds.run(run_id)
    stopped_by = cancelled_by(await ledger.deeds.all(top_of(run_id)))
    if stopped_by and (is_final(await ledger.plan(run_id), key.step) or await is_at_the_end(ledger, run)):
        stopped_by = ""
    ends, begun = (await ledger.attempts_of.of([key]))[0]
    last = await _seen(ledger, begun.attempt) if begun is not None else ends[-1].attempt if ends else None
    result = ends[-1].result if ends else None

    def write(deeds: Sequence[Deed]) -> Deed:
        taken = weighed(
            decision,
            run=run,
            ended=None if result is None else result.phase,
            last=last,
            earlier=decisions_on(deeds, key),
            cancelled_by=stopped_by,
            show=show,
        )
        if any(deed.overdue == Overdue(key.step, key.item, taken.question) for deed in deeds):
            raise DecisionRefused(f"the time to decide ended before that, as step `{key.step}` has seen")
        return Deed(decision=taken)

    await ledger.deeds.append(run_id, write)


async def _seen(ledger: ObjectLedger, attempt: Attempt) -> Attempt:
    """The open attempt as people see it: with what it waits for, where they are asked inside the step's capsule."""
    run, step = attempt.key.run, attempt.key.step
    if attempt.asked is not None or not (await ledger.plan(run)).node(step).capsule:
        return attempt
    steps = (await run_view(ledger, run)).steps
    tried = [seen.history[-1] for step in steps for seen in (step, *step.items) if seen.history]
    return next((one for one in tried if one.key == attempt.key), attempt)


async def cancel(ledger: ObjectLedger, run_id: str, by: str, at: str) -> None:
    """Writes down that the run is to stop; asking twice is asking once."""
    asked = Deed(cancelled_by=by, at=at)
    await ledger.deeds.append(run_id, lambda deeds: None if any(deed.cancelled_by for deed in deeds) else asked)
