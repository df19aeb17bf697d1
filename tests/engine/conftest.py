"""What engine tests share: a leak guard, hand-made plans, a clock that a test winds, and real processes."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import store_for
from hypothesis import settings
from scripts_left import end_scripts

from somagent.capsule_compiler.plan import CapsuleInfo, Edge, Node, Plan, RuleBook, Template, digest_of
from somagent.governance.constitution import default_constitution
from somagent.operators.operator import Operator
from somagent.operators.review import OPERATOR as REVIEW
from somagent.operators.script import OPERATOR as SCRIPT
from somagent.workflows.engines.local import Clock, LocalEngine
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.protocol import RunView

settings.register_profile("campaign", max_examples=20_000)  # as in tests/cel
PROGRAMS = Path(__file__).parent / "programs"


def _small_operators() -> dict[str, Operator]:
    spec = importlib.util.spec_from_file_location("small_operators", PROGRAMS / "small_operators.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # msgspec looks annotations up there
    spec.loader.exec_module(module)
    operators: dict[str, Operator] = module.OPERATORS
    return operators


OPERATORS = _small_operators()


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
def place(tmp_path: Path) -> Path | Store:
    """Where the rows of `make_engine` are: `tmp_path/data`, or in PostgreSQL with `--postgres`."""
    return store_for(tmp_path / "data") or tmp_path / "data"


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[..., LocalEngine]:
    """An engine on `tmp_path/data` with the small operators, `script` and `review`."""

    def make(clock: WoundClock | Clock | None = None, **options: Any) -> LocalEngine:
        if clock is not None:
            options["clock"] = Clock(clock.now, clock.monotonic, clock.sleep)
        options.setdefault("store", store_for(tmp_path / "data"))
        return LocalEngine(tmp_path / "data", OPERATORS | {"script": SCRIPT, "review": REVIEW}, **options)

    return make


@pytest.fixture
def run_plan(make_engine: Callable[..., LocalEngine], go: Callable[..., Any]) -> Callable[..., RunView]:
    """Submits a plan and runs it until it ends or parks; options go to `make_engine`."""

    async def main(plan: Plan, inputs: dict[str, Any], options: dict[str, Any]) -> RunView:
        async with make_engine(**options) as engine:
            return await engine.run(await engine.submit(plan, inputs, submitter="ada", files={}))

    def run(plan: Plan, inputs: dict[str, Any] | None = None, **options: Any) -> RunView:
        view: RunView = go(main(plan, inputs or {}, options))
        return view

    return run


@pytest.fixture
def phases() -> Callable[[RunView], dict[str, str]]:
    """Phase of each step, by id."""
    return lambda view: {step.id: step.phase for step in view.steps}


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of `programs/` in a real process of its own and waits for it."""

    def run(name: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
        except subprocess.TimeoutExpired:  # it was killed
            end_scripts(tmp_path)
            raise

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts one of `programs/` and ends it, and the scripts of its steps, with the test if they still live then."""
    started: list[subprocess.Popen[str]] = []

    def begin(name: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
    if started:
        end_scripts(tmp_path)


@pytest.fixture(scope="module")
def trial() -> Iterator[Callable[..., dict[str, Any]]]:
    """Runs a plan in a process that may die; see `programs/trials.py`."""
    program = PROGRAMS / "trials.py"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, str(program)], stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def attempt(  # noqa: PLR0917
            directory: Path, plan: Path, run: str | None = None, die_at: str = "", count: int = 0, act: str = "run"
        ) -> Any:
            order = {"directory": str(directory), "plan": str(plan), "run": run, "act": act}
            order |= {"die_at": die_at, "count": count}
            server.stdin.write(json.dumps(order) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        yield attempt
