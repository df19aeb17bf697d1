"""Events for those who look on in the same process; whoever looks from another one reads the journal."""

from __future__ import annotations

import asyncio
import weakref
from typing import Protocol

from somagent.operators.runner.records import ENDED
from somagent.workflows.engines.protocol import Event


class Observer(Protocol):
    """Somebody who is told of all runs of an engine; whatever it does, it must not keep the engine waiting."""

    def tell(self, event: Event) -> None:
        """Something happened, and is durable."""
        ...

    def took_over(self) -> None:
        """The engine works on what another process left behind."""
        ...

    def close(self) -> None:
        """The journal is about to be closed; there may be more later."""
        ...


class Watch:
    """Events of one run, and of those inside it, until it ends, is stopped or only waits for people."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._over = False

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Event:
        if self._over:
            raise StopAsyncIteration
        event = await self.events.get()
        own = event.key.run == self.run_id
        self._over = own and event.kind == "run" and event.phase in {*ENDED, "Waiting", "Pending"}
        return event


class Watches:
    """Everybody who looks on; who is gone is forgotten."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._all: weakref.WeakSet[Watch] = weakref.WeakSet()
        self._observer = observer

    def add(self, run_id: str) -> Watch:
        """A new onlooker of that run."""
        watch = Watch(run_id)
        self._all.add(watch)
        return watch

    def tell(self, event: Event) -> None:
        """Passes an event on."""
        if self._observer is not None:
            self._observer.tell(event)
        for watch in tuple(self._all) if self._all else ():
            if watch.run_id == event.key.run or event.key.run.startswith(f"{watch.run_id}."):
                watch.events.put_nowait(event)
