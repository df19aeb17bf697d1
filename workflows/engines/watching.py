"""Events for those who look on in the same process; whoever looks from another one reads the journal."""

from __future__ import annotations

import asyncio
import weakref

from somagent.operators.runner.records import ENDED
from somagent.workflows.engines.protocol import Event


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

    def __init__(self) -> None:
        self._all: weakref.WeakSet[Watch] = weakref.WeakSet()

    def add(self, run_id: str) -> Watch:
        """A new onlooker of that run."""
        watch = Watch(run_id)
        self._all.add(watch)
        return watch

    def tell(self, event: Event) -> None:
        """Passes an event on."""
        for watch in tuple(self._all) if self._all else ():
            if watch.run_id == event.key.run or event.key.run.startswith(f"{watch.run_id}."):
                watch.events.put_nowait(event)
