"""The runs of a data directory, for programs with an event loop: start them, find them, go on with them."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import ENDED
from somagent.workflows.capsules import Installation, this_installation
from somagent.workflows.directories import data_directory
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.writer import survive
from somagent.workflows.engines.protocol import RunSummary, RunView
from somagent.workflows.engines.run_names import find_run
from somagent.workflows.identity import FOLDER, Person, who_acts
from somagent.workflows.inputs import accept_inputs, by_argument
from somagent.workflows.limits import read_limits
from somagent.workflows.programs.capsule import Capsule, compiled
from somagent.workflows.programs.outputs import check_outputs
from somagent.workflows.programs.run import Run
from somagent.workflows.pursuing import pursue
from somagent.workflows.stores import open_store, store_named
from somagent.workflows.telemetry import observer_of

if TYPE_CHECKING:
    from types import TracebackType

    from somagent.workflows.programs.blocking import BlockingRuns

T = TypeVar("T")


class Runs:
    """The runs of a data directory: `async with Runs() as runs`, and without an event loop `with Runs() as runs`.

    `data_dir` is `$SOMAGENT_DATA_DIR`, else `.somagent` in the current folder; `store` is the address of a database
    that workers share, `$SOMAGENT_STORE`, else there is none. `parallel` limits the steps at work at once. The
    directory is held only while a run is at work here; where another process works, it does the work, and all else is
    the same. Leaving the block cuts off what is at work: nothing recorded is lost, and it can be resumed.
    """

    def __init__(
        self, data_dir: str | Path | None = None, *, store: str | None = None, parallel: int | None = None
    ) -> None:
        self.directory = data_directory(data_dir)
        self._store = store
        self._parallel = parallel
        self._tasks: dict[str, asyncio.Task[RunView]] = {}
        self._begun: set[str] = set()
        self._users = 0
        self._blocking: BlockingRuns | None = None
        self._is_open = False

    async def __aenter__(self) -> Runs:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> BlockingRuns:
        from somagent.workflows.programs.blocking import BlockingRuns  # noqa: PLC0415  which is made of this one

        self._open()
        self._blocking = BlockingRuns(self)
        return self._blocking

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._blocking is not None:
            self._blocking.close()

    @overload
    async def start(
        self,
        capsule: str | Path | Capsule,
        inputs: Mapping[str, Any] | None = None,
        *,
        outputs: type[T],
        constitution: str | Path | None = None,
        submitter: str | None = None,
        token: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def start(
        self,
        capsule: str | Path | Capsule,
        inputs: Mapping[str, Any] | None = None,
        *,
        outputs: None = None,
        constitution: str | Path | None = None,
        submitter: str | None = None,
        token: str | None = None,
    ) -> Run[dict[str, Any]]: ...
    async def start(
        self,
        capsule: str | Path | Capsule,
        inputs: Mapping[str, Any] | None = None,
        *,
        outputs: type[Any] | None = None,
        constitution: str | Path | None = None,
        submitter: str | None = None,
        token: str | None = None,
    ) -> Run[Any]:
        """Submits a new run, which is on the disk when this returns, and begins to work on it.

        `capsule` is a file, the name of a library capsule, or what `somagent.compile` gave. `outputs` is the type that
        its outputs shall have: a msgspec Struct, a dataclass or a TypedDict. `submitter` starts it, unless the data
        directory trusts tokens only (`token`, else `$SOMAGENT_TOKEN`). Raises `CapsuleRefused`, `InputsRefused`,
        `OutputsRefused` and `IdentityRefused` before there is a run, and `EngineError`.
        """
        installation = self.installation
        made = await asyncio.to_thread(compiled, capsule, constitution, installation)
        check_outputs(made.plan, outputs)
        self.engine.check(made.plan)
        accepted = accept_inputs(made.plan, inputs or {}, Path.cwd(), how=by_argument)
        who = self.acting(submitter, token)
        async with self.writing() as engine:
            run_id = await engine.submit(
                made.plan,
                accepted,
                submitter=who.name,
                files=made.files,
                source=made.path,
                token=self.proof(token),
            )
            self.begin(run_id)
        return Run(self, run_id, outputs)

    @overload
    def get(self, run: str, *, outputs: type[T]) -> Run[T]: ...
    @overload
    def get(self, run: str, *, outputs: None = None) -> Run[dict[str, Any]]: ...
    def get(self, run: str, *, outputs: type[Any] | None = None) -> Run[Any]:
        """A run by its id, the beginning of it, or `last`; raises `UnknownRun`. Nobody works on it because of this."""
        run_id = find_run(self.engine, run)
        check_outputs(self.engine.view(run_id).plan, outputs)
        return Run(self, run_id, outputs)

    def list(self) -> Sequence[RunSummary]:
        """A line for every run, newest first."""
        return self.engine.runs()

    async def close(self) -> None:
        """Cuts off what is at work here; each run can be resumed."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._is_open = False
        self.__dict__.pop("engine", None)  # the next block has another event loop

    # What follows is for the runs themselves.

    @cached_property
    def installation(self) -> Installation:
        """What is installed here."""
        return this_installation()

    @cached_property
    def engine(self) -> LocalEngine:
        """The engine on the data directory."""
        given = ["--data-dir", os.fspath(self.directory)]
        store = open_store(self.directory, store_named(self._store))
        observer = observer_of(store)
        return LocalEngine(
            self.directory,
            self.installation.operators,
            parallel=self._parallel,
            limits=read_limits(self.directory),
            store=store,
            observer=observer,
            crash=observer.passed if observer is not None else survive,
            way_on=lambda *words: shlex.join(["somagent", *words, *given]),
        )

    @property
    def contents(self) -> Contents:
        """Where large values and artifacts are."""
        return Contents(self.directory / "contents")

    def acting(self, name: str | None, token: str | None) -> Person:
        """Who acts; raises `IdentityRefused`."""
        return who_acts(self.directory, said=name, token=self.proof(token))

    def starting(self, name: str | None, token: str | None) -> str:
        """Who starts a run anew; empty for who started it before, where nothing says who this is."""
        known = name or self.proof(token) or (self.directory / FOLDER).is_dir()
        return self.acting(name, token).name if known else ""

    def proof(self, token: str | None) -> str | None:
        """The token that says who acts, if there is one."""
        return token or os.environ.get("SOMAGENT_TOKEN")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[LocalEngine]:
        """The engine, to write with; when nobody does any more, it gives the lease back."""
        self._users += 1
        try:
            yield self.engine
        finally:
            self._users -= 1
            if not self._users:
                self.engine.close()

    def _open(self) -> None:
        if self._is_open:
            raise RuntimeError("these runs are open already; make `Runs()` anew for another block")
        self._is_open = True

    def begin(self, run_id: str) -> None:
        """Works on the run in the background until it ends or waits for people, here or where it is worked on."""
        self._begun.add(run_id)
        task = self._tasks.get(run_id)
        if (task is None or task.done()) and self.engine.view(run_id).phase not in ENDED:
            task = self._tasks[run_id] = asyncio.create_task(self._pursue(run_id), name=f"somagent {run_id}")
            task.add_done_callback(partial(self._ended, run_id))

    def go_on(self, run_id: str) -> None:
        """After a decision: what was begun here goes on."""
        top = run_id.partition(".")[0]
        if top in self._begun:
            self.begin(top)

    def at_work(self, run_id: str) -> asyncio.Task[RunView] | None:
        """The work on the run here, if there is any, or what ended it before the run had ended."""
        return self._tasks.get(run_id)

    async def _pursue(self, run_id: str) -> RunView:
        async with self.writing() as engine:
            return await pursue(engine, run_id)

    def _ended(self, run_id: str, task: asyncio.Task[RunView]) -> None:
        if task.cancelled() or task.exception() is None:
            self._tasks.pop(run_id, None)


@overload
async def start(
    capsule: str | Path | Capsule,
    inputs: Mapping[str, Any] | None = None,
    *,
    outputs: type[T],
    data_dir: str | Path | None = None,
    constitution: str | Path | None = None,
    submitter: str | None = None,
) -> Run[T]: ...
@overload
async def start(
    capsule: str | Path | Capsule,
    inputs: Mapping[str, Any] | None = None,
    *,
    outputs: None = None,
    data_dir: str | Path | None = None,
    constitution: str | Path | None = None,
    submitter: str | None = None,
) -> Run[dict[str, Any]]: ...
async def start(
    capsule: str | Path | Capsule,
    inputs: Mapping[str, Any] | None = None,
    *,
    outputs: type[Any] | None = None,
    data_dir: str | Path | None = None,
    constitution: str | Path | None = None,
    submitter: str | None = None,
) -> Run[Any]:
    """Starts a run and returns at once: `Runs(data_dir).start(...)`, for a program with one run."""
    runs = Runs(data_dir)
    return await runs.start(capsule, inputs, outputs=outputs, constitution=constitution, submitter=submitter)
