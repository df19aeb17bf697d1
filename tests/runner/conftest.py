"""A run on the local journal, driven step by step as by an engine; and an operator that has something to spend.

With `--objects` it is on an object store: in `$OBJECTS` (`s3://BUCKET/PREFIX`), by default in a folder.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import Amounts, CapsuleInfo, FanOut, Hole, Node, Plan, RuleBook, Template, digest_of
from somagent.governance.constitution import constitution_from_document
from somagent.operators.operator import Answer, Operator, Park, Step
from somagent.operators.registry import load_operators
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.fan_out import close_fan_out, open_fan_out
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.outputs import run_outputs
from somagent.operators.runner.records import NO_ITEM, Attempt, Decision, RunRecord, StepKey, StepResult
from somagent.operators.runner.run_step import run_step
from somagent.workflows.engines.clock import Clock
from somagent.workflows.engines.local.engine import LocalEngine
from somagent.workflows.engines.local.journal import Journal
from somagent.workflows.engines.objects import names, people
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.objects.reading import run_view
from somagent.workflows.engines.protocol import RunView

START = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)


class Stage:
    """One data directory with one run; `at` is the time that everything sees."""

    def __init__(self, folder: Path, operators: dict[str, Operator]) -> None:
        self.folder = folder
        self.operators = operators
        self.at = START
        self.engine = LocalEngine(folder, operators, clock=Clock(self.now))
        self.plan: Plan
        self.run: RunRecord
        self.ledger: Journal

    def now(self) -> datetime:
        return self.at

    def later(self, **by: float) -> None:
        self.at += timedelta(**by)

    async def start(
        self, plan: Plan, inputs: dict[str, Any] | None = None, files: dict[str, bytes] | None = None
    ) -> None:
        run_id = await self.engine.submit(plan, inputs or {}, submitter="ada", files=files or {})
        if hasattr(self, "ledger"):
            self.ledger.close()
        self.ledger = Journal(self.folder)
        self.contents = self.ledger.contents
        self.plan, self.run = await self.ledger.plan(run_id), await self.ledger.run(run_id)

    async def signal(self, decision: Decision) -> None:
        await self.engine.signal(self.run.id, decision)

    async def leave(self) -> None:
        """Whoever was at work on an attempt that is open is dead."""

    async def view(self) -> RunView:
        return self.engine.view(self.run.id)

    async def accounts(self) -> int:
        """How many of them were opened."""
        with closing(sqlite3.connect(self.folder / "journal.sqlite3")) as journal:
            return len(journal.execute("SELECT * FROM accounts").fetchall())

    def content(self, digest: str) -> list[Path]:
        """Where content is kept on this machine."""
        return [path for path in self.folder.rglob("*") if path.is_file() and digest[-40:] in path.name]

    async def lose(self, digest: str) -> None:
        """Content is gone, wherever it was kept."""
        for path in self.content(digest):
            path.unlink()

    def stop(self) -> None:
        self.engine.close()
        if hasattr(self, "ledger"):
            self.ledger.close()

    def key(self, step: str, item: int = NO_ITEM) -> StepKey:
        return StepKey(self.run.id, step, item)

    async def step(self, step: str, item: int = NO_ITEM) -> StepResult | Attempt:
        return await run_step(
            self.key(step, item),
            plan=self.plan,
            run=self.run,
            ledger=self.ledger,
            operators=self.operators,
            workspace=self.folder / "work",
            log=lambda key, attempt: StepLog(self.log_path(key, attempt)),
            now=self.now,
        )

    async def fan_out(self, step: str) -> StepResult | int:
        return await open_fan_out(self.key(step), plan=self.plan, run=self.run, ledger=self.ledger, now=self.now)

    async def close(self, step: str, items: int) -> StepResult:
        return await close_fan_out(
            self.key(step), items, plan=self.plan, run=self.run, ledger=self.ledger, now=self.now
        )

    async def all_items(self, step: str) -> StepResult:
        """Opens the fan-out, runs its items one after the other and closes it."""
        count = await self.fan_out(step)
        assert isinstance(count, int)
        for item in range(count):
            await self.step(step, item)
        return await self.close(step, count)

    async def decide(self, step: str, *, approve: bool, by: str = "grace", **more: str) -> None:
        decision = Decision(step=step, by=by, approve=approve, at=self.at, **more)
        await self.signal(decision)

    async def outputs(self) -> dict[str, Any]:
        return await run_outputs(self.plan, self.run, self.ledger)

    def log_path(self, key: StepKey, attempt: int) -> Path:
        return self.folder / "logs" / f"{key.step}.{key.item}.{attempt}.log"

    def log(self, step: str, attempt: int = 1) -> str:
        return self.log_path(self.key(step), attempt).read_text()

    def attempt_folders(self) -> list[Path]:
        work = self.folder / "work"
        return list(work.iterdir()) if work.exists() else []


class ObjectStage(Stage):
    """The same on an object store."""

    def __init__(self, folder: Path, operators: dict[str, Operator]) -> None:
        super().__init__(folder, operators)
        self.address = f"{os.environ.get('OBJECTS', f'file://{folder}/bucket')}/{os.urandom(4).hex()}"

    async def start(
        self, plan: Plan, inputs: dict[str, Any] | None = None, files: dict[str, bytes] | None = None
    ) -> None:
        self.engine.check(plan)
        bucket = Bucket(self.address)
        self.contents = Contents(self.folder / f"contents-{os.urandom(4).hex()}", origin=BucketContents(bucket))
        self.ledger = ObjectLedger(bucket, self.contents, self.now)
        run = RunRecord(
            id=f"r-{os.urandom(4).hex()}",
            capsule="demo",
            plan_digest="",
            submitter="ada",
            inputs=inputs or {},
            created_at=self.at,
        )
        self.run = await people.submit(self.ledger, run, plan, files or {})
        self.plan = await self.ledger.plan(self.run.id)

    async def signal(self, decision: Decision) -> None:
        await people.decide(self.ledger, self.run.id, decision, "somagent show")

    async def leave(self) -> None:
        await self.ledger.leave()

    async def view(self) -> RunView:
        return await run_view(self.ledger, self.run.id)

    async def accounts(self) -> int:
        return len(await self.ledger.bucket.names(f"runs/{self.run.id}/{self.run.id}/budget"))

    async def lose(self, digest: str) -> None:
        await super().lose(digest)
        await self.ledger.bucket.delete([names.content(digest)])

    def stop(self) -> None:
        self.engine.close()


class WordsArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """Counts the words of a text; each costs a token."""

    text: str
    expect: int = 0


async def _count_words(args: WordsArgs, step: Step) -> Answer | Park:
    words = args.text.split()
    return Answer({"count": len(words), "first": words[:1]}, spent=Amounts(tokens=len(words)))


WORDS = Operator(
    entry=OperatorEntry(name="words", summary="Count words", arguments={}),
    arguments=WordsArgs,
    run=_count_words,
    estimate=lambda args: Amounts(tokens=args.expect),
)
WORDS_OUTPUTS = {"count": {"type": "integer"}, "first": {"type": "array", "items": {"type": "string"}}}


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The operators of this installation, and `words`."""
    kind = ObjectStage if request.config.getoption("--objects") else Stage
    made = kind(tmp_path / "data", {**load_operators().operators, "words": WORDS})
    yield made
    made.stop()


@pytest.fixture
def go() -> Callable[[Awaitable[Any]], Any]:
    """Runs a coroutine to its end and sees that it left no task behind."""

    async def guarded(main: Coroutine[Any, Any, Any]) -> Any:
        result = await main
        assert asyncio.all_tasks() - {asyncio.current_task()} == set()
        return result

    return lambda main: asyncio.run(guarded(main))


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """No thread and no process is left by a test."""

    def children() -> set[str]:
        path = Path(f"/proc/self/task/{os.getpid()}/children")
        return set(path.read_text().split()) if path.exists() else set()

    before = set(threading.enumerate()), children()
    yield
    assert (set(threading.enumerate()) - before[0], children() - before[1]) == (set(), set())


@pytest.fixture
def node() -> Callable[..., Node]:
    """A node; arguments with holes are given as (value, holes)."""

    def make(step: str, operator: str = "script", **fields: Any) -> Node:
        value = fields.pop("arguments", {})
        holes = [Hole(at=at, **hole) for at, hole in fields.pop("holes", [])]
        if "items" in fields:
            fields["fan_out"] = FanOut(
                items=Template(holes=[Hole(at=[], cel=fields.pop("items"))]), name="item", item_schema={}
            )
        return Node(
            id=step, operator=operator, arguments=Template(value=value, holes=holes), **{"timeout_ms": 60_000, **fields}
        )

    return make


@pytest.fixture
def book() -> Callable[..., RuleBook]:
    """A constitution that lets every step run, but for these rules."""

    def make(*rules: dict[str, Any], **spec: Any) -> RuleBook:
        document = {
            "apiVersion": "somagent.io/v1alpha1",
            "kind": "Constitution",
            "metadata": {"name": "house"},
            "spec": {"version": "1.0.0", "steps": "allow", "rules": list(rules), **spec},
        }
        digest = constitution_from_document(document).digest
        return RuleBook(name="house", version="1.0.0", digest=digest, document=document)

    return make


@pytest.fixture
def plan(book: Callable[..., RuleBook]) -> Callable[..., Plan]:
    """A plan of these nodes."""

    def make(*nodes: Node, **fields: Any) -> Plan:
        return Plan(
            format="plan/v1",
            capsule=CapsuleInfo(name="demo", package="acme/demo", version="1.0.0"),
            nodes=list(nodes),
            catalogue=digest_of(b""),
            **{"constitution": book(), **fields},
        )

    return make
