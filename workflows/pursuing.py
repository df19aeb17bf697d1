"""A run pursued until it ends or waits for people, here or by whoever works in the data directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.protocol import DataDirectoryHeld, Event, RunHeld, RunView

_PAUSE_S = 0.05  # who has died is not forgotten in the same moment everywhere


class Onlooker(Protocol):
    """Who is told of the run while it is pursued."""

    def begins(self, view: RunView, *, elsewhere: bool) -> AbstractContextManager[Callable[[Event], None]]:
        """From now on it is worked on here, or followed; gives what takes the events."""
        ...

    def taken_over(self, why: DataDirectoryHeld) -> None:
        """Another process works here now, and goes on with it."""
        ...


async def is_held_here(engine: OpenEngine) -> bool:
    """Whether this process works in the data directory from now on; else another one does."""
    try:
        await engine.hold()
    except DataDirectoryHeld:
        return False
    return True


async def pursue(engine: OpenEngine, run_id: str, onlooker: Onlooker | None = None) -> RunView:
    """Works on the run until it ends or parks; as long as another process works on it, follows it."""
    elsewhere = False
    while engine.view(run_id).ended_at is None:
        if elsewhere or not await is_held_here(engine):
            view = await follow(engine, run_id, onlooker)
            if view is not None and (view.ended_at is not None or view.phase == "Waiting"):
                return view
            elsewhere = False  # nobody is there any more, or it goes on already
            await asyncio.sleep(_PAUSE_S)
            continue
        try:
            return await _worked_on(engine, run_id, onlooker)
        except DataDirectoryHeld as taken_over:
            if onlooker is not None:
                onlooker.taken_over(taken_over)
            elsewhere = isinstance(taken_over, RunHeld)
            await asyncio.sleep(_PAUSE_S)
    return engine.view(run_id)


async def follow(engine: OpenEngine, run_id: str, onlooker: Onlooker | None) -> RunView | None:
    """The run when another process has ended it or it waits for people. None: nobody works here any more."""
    with engine.following(run_id) as events:
        told = onlooker.begins(events.view, elsewhere=True) if onlooker is not None else nullcontext(_ignore)
        with told as tell:
            async for event in events:
                tell(event)
        return engine.view(run_id) if events.phase is not None else None


async def _worked_on(engine: OpenEngine, run_id: str, onlooker: Onlooker | None) -> RunView:
    if onlooker is None:
        return await engine.run(run_id)
    events = engine.watch(run_id)

    async def told(tell: Callable[[Event], None]) -> None:
        async for event in events:
            tell(event)

    with onlooker.begins(engine.view(run_id), elsewhere=False) as tell:
        follower = asyncio.create_task(told(tell))
        try:
            return await engine.run(run_id)
        finally:
            await asyncio.sleep(0)
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)


def _ignore(event: Event) -> None:
    """Nobody looks on."""
