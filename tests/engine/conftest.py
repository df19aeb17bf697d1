"""What engine tests share: a leak guard, hand-made plans, a clock that a test winds, and real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from somagent.capsule_compiler.plan import CapsuleInfo, Edge, Node, Plan, RuleBook, Template, digest_of
from somagent.governance.constitution import default_constitution

PROGRAMS = Path(__file__).parent / "programs"


def _open_files() -> set[str]:
    folder = Path("/proc/self/fd")
    if not folder.exists():  # macOS: threads and processes are still looked at
        return set()
    links = set()
    for entry in folder.iterdir():
        try:
            links.add(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return {link for link in links if link.startswith("/") and "/proc/" not in link}


def _children() -> set[str]:
    folder = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(folder.read_text().split()) if folder.exists() else set()


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """No thread, process or file may be left by a test: an engine that leaks them dies slowly in a server."""
    threads, children, files = set(threading.enumerate()), _children(), _open_files()
    yield
    assert set(threading.enumerate()) - threads == set()
    assert _children() - children == set()
    assert _open_files() - files == set()


@pytest.fixture
def go() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine to its end and sees that it left no task behind."""

    async def guarded(main: Coroutine[Any, Any, Any]) -> Any:
        result = await main
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert left == set()
        return result

    return lambda main: asyncio.run(guarded(main))


class WoundClock:
    """Time that stands still until somebody waits; then it is later at once. `set_back` is what an operator may do."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.slept.append(seconds)
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def set_back(self, by: timedelta) -> None:
        self.wall -= by


@pytest.fixture
def clock() -> WoundClock:
    return WoundClock()


@pytest.fixture
def make_node() -> Callable[..., Node]:
    """A node that needs the named steps (order edges); other fields as in `Node`."""

    def make(step: str, *needs: str, operator: str = "noop", arguments: Any = None, **fields: Any) -> Node:
        return Node(
            id=step,
            operator=operator,
            arguments=Template(value={} if arguments is None else arguments),
            needs=[Edge(step=need, kind="order") for need in needs],
            **{"timeout_ms": 60_000, **fields},
        )

    return make


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """A plan of the given nodes under the default constitution, which lets every step run."""
    default = default_constitution()

    def make(*nodes: Node, **fields: Any) -> Plan:
        return Plan(
            format="plan/v1",
            capsule=CapsuleInfo(name="hand-made"),
            constitution=RuleBook(
                name=default.name, version=default.version, digest=default.digest, document=dict(default.document)
            ),
            nodes=list(nodes),
            catalogue=digest_of(b"none"),
            **fields,
        )

    return make


@pytest.fixture
def program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of `programs/` in a real process of its own and waits for it."""

    def run(name: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)

    return run
