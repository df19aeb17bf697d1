"""A run at a bucket, followed: its driver says when something has happened, the bucket what.

Steps that share a pod are recorded while it is at work, and what drives them hears of a pod's end a second late. So as
long as anything is at work the bucket is also looked at in between: by one listing of the run, and only what is new in
it is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Set
from contextlib import suppress

from somagent.operators.runner.records import Phase, StepKey
from somagent.workflows.engines import events
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.attempts import attempts_in
from somagent.workflows.engines.objects.deeds import cancelled_by, decisions_in
from somagent.workflows.engines.objects.driver import Driver, Look
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.reading import is_to_stop, run_view
from somagent.workflows.engines.objects.written import Written
from somagent.workflows.engines.parked import can_be_stopped
from somagent.workflows.engines.protocol import EngineError, Event, LogChunk, NotTakenUp, RunView

_REST_S = 0.3  # between two looks at the bucket, however much happens; and at least as long as a look took
_GOES_ON_S = 30.0  # in which a step that can go on has begun to look at what was answered
_LONGEST_S = 0.5  # until the next look, while anything is at work


class Following:
    """Events of a run, and of those inside it, from now on until it ends or only waits for people.

    `phase` is the one of the run at the end of it, None when what starts its steps has nothing left to do for it.
    """

    view: RunView

    def __init__(
        self,
        ledger: ObjectLedger,
        run_id: str,
        driver: Driver,
        answers: Callable[[str], Awaitable[Mapping[StepKey, str]]],
        resume: str,
    ) -> None:
        """`answers` are those that steps of the run have not looked at; `resume` is the command that goes on."""
        self._ledger, self._run, self._driver, self._answers = ledger, run_id, driver, answers
        self._resume = resume
        self._seen: set[tuple[object, ...]] = set()
        self._known: frozenset[str] = frozenset()  # names that were there at the last look
        self._written = Written(ledger, run_id)
        self._shows_written = False
        self._notes: list[str] = []
        self._troubles: dict[str, str] = {}
        self._was_stopped = False  # by this one, since whoever cancelled it did not come to it
        self._answered: tuple[Set[StepKey], float] = (set(), 0.0)  # what nobody has looked at yet, and since when
        self.phase: Phase | None = None

    def written(self) -> Iterator[LogChunk]:
        """What the attempts wrote since this was last asked, from the beginning of the run.

        It is looked for from the first time on that somebody asks.
        """
        self._shows_written = True
        return self._written.taken()

    async def __aiter__(self) -> AsyncIterator[Event]:
        await self._news()  # what was before
        async for look in self._looks():
            for event in await self._news():
                yield event
            for event in self._in_trouble(look):
                yield event
            while self._notes:
                yield self._trouble("", self._notes.pop(0))
            is_over = look.over or names.ended(self._run) in self._known
            closed = await self._ledger.closed(self._run) if is_over else None
            if closed is not None:
                self.phase = closed.phase
                failure = closed.outcome.failure
                key = StepKey(self._run, "")
                await self._read_written()
                yield Event(
                    at=closed.at, key=key, kind="run", phase=closed.phase, message=failure.message if failure else ""
                )
                return
            if look.over:
                where = self._driver.address(self._run).where
                raise EngineError(
                    f"what works on {self._run} at {where} is over or gone, and did not write down how the run ended;"
                    f" `{self._resume}` goes on with it, and what is recorded does not run again"
                )
            if not look.parked:
                continue
            try:  # whoever decided, or cancelled, did not come to it
                answered = await self._answers(self._run)
                if answered and not (look.held and self._waits_long(answered)):
                    await self._driver.go_on(self._run, answered)
                    continue
                if not self._was_stopped and await is_to_stop(self._ledger, self._run):
                    await self._driver.stop(self._run)
                    self._was_stopped = True
            except NotTakenUp as late:
                yield self._trouble("", str(late))
                continue
            if await self._waits_only():
                self.phase = "Waiting"
                await self._read_written()
                yield Event(at=utc_now(), key=StepKey(self._run, ""), kind="run", phase="Waiting")
                return

    async def _read_written(self) -> None:
        """What was recorded since the last look."""
        if self._shows_written:
            await self._written.read(await self._ledger.bucket.names(names.top_folder(self._run)))

    def _waits_long(self, answered: Mapping[StepKey, str]) -> bool:
        """Whether nobody has looked at what was answered for longer than it takes those that can."""
        now = asyncio.get_running_loop().time()
        if self._answered[0] != answered.keys():
            self._answered = ({*answered}, now)
        return now - self._answered[1] > _GOES_ON_S

    async def _waits_only(self) -> bool:
        """Whether nothing but people is waited for; a run that was told to stop waits for those in `finally` only."""
        stopped = cancelled_by(await self._ledger.deeds.all(self._run))
        view = await run_view(self._ledger, self._run)
        return view.phase == "Waiting" and not (stopped and can_be_stopped(view))

    async def _looks(self) -> AsyncIterator[Look]:
        """The newest look, while anything is at work again and again; those that came meanwhile are left out."""
        clock = asyncio.get_running_loop().time
        newest: asyncio.Queue[Look | BaseException] = asyncio.Queue()

        async def listen() -> None:
            try:
                async for look in self._driver.looks(self._run):
                    newest.put_nowait(look)
            except Exception as error:
                newest.put_nowait(error)

        async def write() -> None:
            """A right that is missing is told of; the records have it all."""
            try:
                async for output in self._driver.outputs(self._run):
                    await self._written.add(output)
            except EngineError as error:
                self._notes.append(f"{error}; what a step writes is shown when its attempt is over")

        listener = asyncio.create_task(listen())
        writer = asyncio.create_task(write() if self._shows_written else asyncio.sleep(0))
        look: Look | BaseException = Look(parked=True)
        try:
            while True:
                is_parked = isinstance(look, Look) and look.parked
                with suppress(TimeoutError):
                    look = await asyncio.wait_for(newest.get(), None if is_parked else _LONGEST_S)
                while not newest.empty() and not isinstance(look, BaseException):
                    look = newest.get_nowait()
                if isinstance(look, BaseException):
                    raise look
                start = clock()
                yield look
                await asyncio.sleep(max(_REST_S, clock() - start))
        finally:
            for one in (listener, writer):
                one.cancel()
            await asyncio.wait([listener, writer])

    async def _news(self) -> list[Event]:
        ledger, told = self._ledger, []
        listed = await ledger.bucket.names(names.top_folder(self._run))
        if self._shows_written:
            await self._written.read(listed)
        new = [name for name in listed if name not in self._known]
        self._known = frozenset(listed)
        for run_id in sorted({name.split("/")[2] for name in new}):
            own = [name for name in new if name.startswith(f"{names.run_folder(run_id)}/")]
            told += [event async for event in self._news_of(run_id, own)]
        return sorted(told, key=lambda event: (event.at, event.kind != "result"))

    async def _news_of(self, run_id: str, listed: list[str]) -> AsyncIterator[Event]:
        ledger, steps = self._ledger, f"{names.step_folder(run_id)}/"
        for name in (one for one in listed if one.startswith(f"{names.opened(run_id)}/")):
            step = name.rpartition("/")[2]
            if self._is_new(run_id, "opened", step):
                items = await ledger.items(StepKey(run_id, step)) or 0
                yield events.opened(run_id, step, items, (await ledger.deeds.run(run_id)).created_at)
        found = await ledger.attempts_of.of(names.keys_in(run_id, [one for one in listed if one.startswith(steps)]))
        for attempt in attempts_in(found):
            if self._is_new("begun", attempt.key, attempt.number):
                yield events.begun(attempt)
            left = attempt.ended_at is not None and (attempt.waiting is not None or attempt.retry_at is not None)
            if left and self._is_new("left", attempt.key, attempt.number):
                yield events.left(attempt)
        for ends, _ in found:
            result = ends[-1].result if ends else None
            if result is not None and self._is_new("result", result.key):
                yield events.recorded(result, result.attempts)
        for number, decision in enumerate(decisions_in(await ledger.deeds.all(run_id))):
            if self._is_new(run_id, "decision", number):
                yield events.decided(run_id, decision)

    def _in_trouble(self, look: Look) -> Iterator[Event]:
        for step, why in look.troubles.items():
            if self._troubles.get(step) != why:
                yield self._trouble(step, why)
        self._troubles = dict(look.troubles)

    def _trouble(self, step: str, why: str) -> Event:
        return Event(at=utc_now(), key=StepKey(self._run, step), kind="trouble", phase="Pending", message=why)

    def _is_new(self, *what: object) -> bool:
        is_new = what not in self._seen
        self._seen.add(what)
        return is_new
