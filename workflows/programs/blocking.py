"""The same for programs without an event loop: the work is done by a thread that has one.

So it works in a notebook too, whose event loop is at work already.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from somagent.operators.runner.records import Artifact
from somagent.workflows.engines.protocol import Event, LogChunk, RunSummary, RunView
from somagent.workflows.programs.capsule import Capsule
from somagent.workflows.programs.result import Result
from somagent.workflows.programs.runs import Runs

if TYPE_CHECKING:
    from somagent.workflows.programs.run import Run

T = TypeVar("T")
R = TypeVar("R")


class _Call(Protocol):
    """Has the thread do something, and waits for it."""

    def __call__(self, work: Coroutine[Any, Any, R], /) -> R: ...


class BlockingRuns:
    """What `with Runs() as runs` gives: `Runs`, but that each call returns when it is done."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="somagent", daemon=True)
        self._thread.start()

    @overload
    def start(
        self,
        capsule: str | Path | Capsule,
        inputs: Mapping[str, Any] | None = None,
        *,
        outputs: type[T],
        constitution: str | Path | None = None,
        submitter: str | None = None,
        token: str | None = None,
    ) -> BlockingRun[T]: ...
    @overload
    def start(
        self,
        capsule: str | Path | Capsule,
        inputs: Mapping[str, Any] | None = None,
        *,
        outputs: None = None,
        constitution: str | Path | None = None,
        submitter: str | None = None,
        token: str | None = None,
    ) -> BlockingRun[dict[str, Any]]: ...
    def start(
        self,
        capsule: str | Path | Capsule,
        inputs: Mapping[str, Any] | None = None,
        *,
        outputs: type[Any] | None = None,
        constitution: str | Path | None = None,
        submitter: str | None = None,
        token: str | None = None,
    ) -> BlockingRun[Any]:
        """As `Runs.start`: the run is submitted when this returns, and is worked on in the background."""
        new = self._runs.start(
            capsule, inputs, outputs=outputs, constitution=constitution, submitter=submitter, token=token
        )
        return self._of(self._call(new))

    @overload
    def get(self, run: str, *, outputs: type[T]) -> BlockingRun[T]: ...
    @overload
    def get(self, run: str, *, outputs: None = None) -> BlockingRun[dict[str, Any]]: ...
    def get(self, run: str, *, outputs: type[Any] | None = None) -> BlockingRun[Any]:
        """As `Runs.get`."""
        return self._of(self._runs.get(run, outputs=outputs))

    def list(self) -> Sequence[RunSummary]:
        """As `Runs.list`."""
        return self._runs.list()

    def close(self) -> None:
        """As `Runs.close`."""
        self._call(self._runs.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _work(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _of(self, run: Run[T]) -> BlockingRun[T]:
        return BlockingRun(run, self._call)

    def _call(self, work: Coroutine[Any, Any, R]) -> R:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("these runs were closed with their block; open them again: `with Runs() as runs`")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C ends the waiting, not the run
            future.cancel()
            raise


class BlockingRun(Generic[T]):
    """`Run`, but that each call returns when it is done: `for event in run`, `run.result()`."""

    def __init__(self, run: Run[T], call: _Call) -> None:
        self._run, self._call = run, call

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run.id

    def result(self) -> Result[T]:
        """As `Run.result`."""
        return self._call(self._run.result())

    def __iter__(self) -> Iterator[Event]:
        """As `Run.__aiter__`."""
        events = aiter(self._run)
        try:
            while (event := self._call(_next(events))) is not None:
                yield event
        finally:
            self._call(_close(events))

    def resume(self) -> BlockingRun[T]:
        """As `Run.resume`."""

        async def resume() -> None:
            self._run.resume()

        self._call(resume())
        return self

    def approve(
        self,
        step: str,
        *,
        by: str | None = None,
        comment: str = "",
        outputs: Mapping[str, Any] | None = None,
        token: str | None = None,
    ) -> None:
        """As `Run.approve`."""
        self._call(self._run.approve(step, by=by, comment=comment, outputs=outputs, token=token))

    def reject(self, step: str, *, by: str | None = None, comment: str = "", token: str | None = None) -> None:
        """As `Run.reject`."""
        self._call(self._run.reject(step, by=by, comment=comment, token=token))

    def cancel(self, *, by: str | None = None, token: str | None = None) -> None:
        """As `Run.cancel`."""
        self._call(self._run.cancel(by=by, token=token))

    def retry(
        self,
        step: str = "",
        *,
        capsule: str | Path | Capsule | None = None,
        inputs: Mapping[str, Any] | None = None,
        submitter: str | None = None,
        token: str | None = None,
    ) -> BlockingRun[T]:
        """As `Run.retry`."""
        new = self._run.retry(step, capsule=capsule, inputs=inputs, submitter=submitter, token=token)
        return BlockingRun(self._call(new), self._call)

    def rerun(self, *, submitter: str | None = None, token: str | None = None) -> BlockingRun[T]:
        """As `Run.rerun`."""
        return BlockingRun(self._call(self._run.rerun(submitter=submitter, token=token)), self._call)

    def view(self) -> RunView:
        """As `Run.view`."""
        return self._run.view()

    def logs(self, step: str | None = None) -> Sequence[LogChunk]:
        """As `Run.logs`."""
        return self._run.logs(step)

    def artifacts(self) -> Mapping[str, Artifact]:
        """As `Run.artifacts`."""
        return self._run.artifacts()

    def fetch(self, name: str, folder: str | Path = ".") -> Path:
        """As `Run.fetch`."""
        return self._run.fetch(name, folder)

    def __repr__(self) -> str:
        """In a line."""
        return repr(self._run)

    def _repr_html_(self) -> str:
        return self._run._repr_html_()


@overload
def run(
    capsule: str | Path | Capsule,
    inputs: Mapping[str, Any] | None = None,
    *,
    outputs: type[T],
    data_dir: str | Path | None = None,
    constitution: str | Path | None = None,
    submitter: str | None = None,
) -> Result[T]: ...
@overload
def run(
    capsule: str | Path | Capsule,
    inputs: Mapping[str, Any] | None = None,
    *,
    outputs: None = None,
    data_dir: str | Path | None = None,
    constitution: str | Path | None = None,
    submitter: str | None = None,
) -> Result[dict[str, Any]]: ...
def run(
    capsule: str | Path | Capsule,
    inputs: Mapping[str, Any] | None = None,
    *,
    outputs: type[Any] | None = None,
    data_dir: str | Path | None = None,
    constitution: str | Path | None = None,
    submitter: str | None = None,
) -> Result[Any]:
    """Runs a capsule until it ends or waits for people: `Runs(data_dir)`, `start` and `result` in one call.

    How the run ended, failure among it, is in the result's `phase`; its `outputs` and `check` raise when it did not
    succeed. It may be called where an event loop is at work, which it blocks as any call does: a server wants `start`.
    """
    with Runs(data_dir) as runs:
        started = runs.start(capsule, inputs, outputs=outputs, constitution=constitution, submitter=submitter)
        return started.result()


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)


async def _close(events: AsyncGenerator[Event, None]) -> None:
    await events.aclose()
