"""A run is born: its plan and files are stored with it, so that nothing outside can change or strand it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Plan, digest_of, encode_plan, plan_digest
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Decision, RunRecord, StepResult
from somagent.workflows.engines.local.journal import Journal
from somagent.workflows.engines.local.rows import encode
from somagent.workflows.engines.protocol import EngineError


def prepare(directory: Path) -> None:
    """Makes the data directory; it is not for version control."""
    directory.mkdir(parents=True, exist_ok=True)
    ignore = directory / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")


async def submit(
    journal: Journal,
    plan: Plan,
    inputs: Mapping[str, Any],
    *,
    submitter: str,
    at: datetime,
    token: Callable[[], str],
    retry_of: str = "",
    results: tuple[StepResult, ...] = (),
    decisions: tuple[Decision, ...] = (),
) -> str:
    """Writes a new run, with results that it takes over from `retry_of`, and returns its id."""
    content, digest = encode_plan(plan), plan_digest(plan)

    def write(db: sqlite3.Connection) -> str:
        run_id = _free_id(db, at, token)
        run = RunRecord(
            id=run_id,
            capsule=plan.capsule.name,
            plan_digest=digest,
            submitter=submitter,
            inputs=dict(inputs),
            created_at=at,
            retry_of=retry_of,
        )
        stored = digest_of(content)
        db.execute("INSERT INTO plans VALUES (?, ?) ON CONFLICT DO NOTHING", (stored, content))
        db.execute(
            "INSERT INTO runs (id, plan, record, phase) VALUES (?, ?, ?, 'Pending')", (run_id, stored, encode(run))
        )
        for result in results:
            key = result.key._replace(run=run_id)
            row = (*key, result.phase, encode(replace(result, key=key)))
            db.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?)", row)
        for decision in decisions:
            db.execute(
                "INSERT INTO decisions (run, step, item, person, record) VALUES (?, ?, ?, ?, ?)",
                (run_id, decision.step, decision.item, decision.by, encode(decision)),
            )
        return run_id

    return await journal.write("submit", write)


def store_files(contents: Contents, plan: Plan, files: Mapping[str, bytes]) -> None:
    """Keeps the files that the plan takes along; raises `EngineError` when one is missing or is another."""
    for file in plan.files:
        content = files.get(file.path)
        if content is None:
            raise EngineError(f"the capsule takes `{file.path}` along, but it was not given")
        if contents.put_bytes(content) != file.digest:
            raise EngineError(f"`{file.path}` changed since the capsule was compiled; compile it again")


def _free_id(db: sqlite3.Connection, at: datetime, token: Callable[[], str]) -> str:
    """Sorts by minute, is short enough to type, and is new."""
    while True:
        run_id = f"r-{at:%Y%m%d-%H%M}-{token()}"
        if db.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is None:
            return run_id
