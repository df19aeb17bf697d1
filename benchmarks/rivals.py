"""The same graphs on two other durable engines, each with the settings in which it is durable and fastest.

LangGraph writes its checkpoints to SQLite before the next step starts (`durability=sync`). DBOS has an SQLite file that
was set to WAL before it was launched, and awaits the steps of a layer together, in a fixed order. Both keep SQLite's
own `synchronous=FULL`.
"""

from __future__ import annotations

import asyncio
import operator
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from graphs import SLEEP_S, WIDTH

Graph = Sequence[tuple[str, list[str]]]


def langgraph(directory: Path, graph: Graph, runs: int, *, sleeps: bool) -> list[tuple[float, float]]:
    """Wall clock and CPU seconds of each run."""
    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.graph import START, StateGraph

    def work(_: Any) -> dict[str, int]:
        if sleeps:
            time.sleep(SLEEP_S)
        return {"done": 1}

    # With class syntax LangGraph could not look the annotation up, which is local.
    state = TypedDict("state", {"done": Annotated[int, operator.add]})  # noqa: UP013
    builder = StateGraph(state)
    for name, needs in graph:
        builder.add_node(name, work)
        builder.add_edge(needs or START, name)
    took = []
    with SqliteSaver.from_conn_string(str(directory / "langgraph.sqlite3")) as saver:
        compiled = builder.compile(checkpointer=saver)
        for number in range(runs):
            config: Any = {
                "configurable": {"thread_id": str(number)},
                "recursion_limit": 10 * len(graph),
                "max_concurrency": WIDTH,
            }
            start = time.perf_counter(), time.process_time()
            end = compiled.invoke({"done": 0}, config, durability="sync")
            took.append((time.perf_counter() - start[0], time.process_time() - start[1]))
            if end["done"] != len(graph):
                raise RuntimeError(end)
    return took


def dbos(directory: Path, graph: Graph, runs: int, *, sleeps: bool) -> list[tuple[float, float]]:
    """Wall clock and CPU seconds of each run."""
    from dbos import DBOS

    path = directory / "dbos.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{path}",
            "application_version": "1",
            "executor_id": "bench",
            "log_level": "ERROR",
        }
    )

    @DBOS.step()  # type: ignore[untyped-decorator, unused-ignore]
    async def work(_: str) -> int:
        if sleeps:
            await asyncio.sleep(SLEEP_S)
        return 1

    waves: list[list[str]] = []  # what needs the same is awaited together
    before: list[str] | None = None
    for name, needs in graph:
        if needs != before:
            waves.append([])
            before = needs
        waves[-1].append(name)

    @DBOS.workflow()  # type: ignore[untyped-decorator, unused-ignore]
    async def run() -> int:
        done = 0
        for wave in waves:
            done += sum(await asyncio.gather(*map(work, wave))) if len(wave) > 1 else await work(wave[0])
        return done

    async def main() -> list[tuple[float, float]]:
        took = []
        for _ in range(runs):
            start = time.perf_counter(), time.process_time()
            done = await run()
            took.append((time.perf_counter() - start[0], time.process_time() - start[1]))
            if done != len(graph):
                raise RuntimeError(done)
        return took

    DBOS.launch()
    try:
        return asyncio.run(main())
    finally:
        DBOS.destroy()


RIVALS: dict[str, Callable[..., list[tuple[float, float]]]] = {"langgraph": langgraph, "dbos": dbos}
