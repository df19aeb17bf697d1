"""Every record can be read, says what the columns beside it say, and holds the outputs that its digest is of.

Columns and digests are written with the record, in one statement: where they differ, somebody wrote past this program,
or the disk fails. The engine decides by columns and shows records, so it would not notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from somagent.capsule_compiler.plan import decode_plan, digest_of
from somagent.operators.names import person
from somagent.operators.runner.contents import ContentError, Contents
from somagent.operators.runner.records import ENDED, NO_ITEM, StepResult
from somagent.operators.runner.values import CONTENT, digest_of_value, fetch
from somagent.workflows.engines.digests import DIGEST
from somagent.workflows.engines.local.rows import (
    decode_attempt,
    decode_decision,
    decode_outcome,
    decode_result,
    decode_run,
    read_phase,
    read_time,
)
from somagent.workflows.engines.local.store import Db


class Fault(NamedTuple):
    """What is wrong with a row of a run."""

    run: str
    said: str


class _Table(NamedTuple):
    name: str
    columns: tuple[str, ...]  # without that of the run, which is the first that is asked for
    decode: Callable[[bytes], Any]
    as_columns: Callable[[Any], tuple[Any, ...]]  # what a record says that they are
    run_of: Callable[[Any], str | None]  # None where a record does not name its run


_TABLES = (
    _Table("runs", (), decode_run, lambda _: (), lambda run: run.id),
    _Table(
        "attempts",
        ("step", "item", "number", "open"),
        decode_attempt,
        lambda one: (one.key.step, one.key.item, one.number, int(one.ended_at is None)),
        lambda one: one.key.run,
    ),
    _Table(
        "results",
        ("step", "item", "phase"),
        decode_result,
        lambda one: (one.key.step, one.key.item, one.phase),
        lambda one: one.key.run,
    ),
    _Table(
        "decisions",
        ("step", "item", "question", "person"),
        decode_decision,
        lambda one: (one.step, one.item, one.question, person(one.by)),
        lambda _: None,
    ),
)


class Looked(NamedTuple):
    """How many rows were looked at, and what is wrong with some of them."""

    rows: int
    faults: list[Fault]


def look_at_records(db: Db, contents: Path, *, large: bool) -> Looked:
    """Looks at every row; with `large`, outputs that are kept as content are held against their digests, too."""
    store = Contents(contents)
    count, faults = 0, list(_runs(db))
    for table in _TABLES:
        asked = ", ".join(("id" if table.name == "runs" else "run", *table.columns, "record"))
        for run, *columns, record in db.execute(f"SELECT {asked} FROM {table.name}"):  # noqa: S608 - constants
            count += 1
            where = f"its row in `{table.name}`" if not columns else f"the row of {_named(columns)} in `{table.name}`"
            try:
                one = table.decode(record)
            except msgspec.DecodeError as error:
                faults.append(Fault(run, f"{where} has a record that cannot be read ({error})"))
                continue
            faults += [Fault(run, f"{where} {said}") for said in _apart(table, run, columns, one)]
            if isinstance(one, StepResult):
                faults += [Fault(run, f"{where} {said}") for said in _outputs(db, run, one, store, large=large)]
    plans, wrong = _plans(db)
    return Looked(count + plans, faults + wrong)


def _named(columns: list[Any]) -> str:
    step, item, *_ = columns
    return f"`{step}`" if item == NO_ITEM else f"`{step}/{item}`"


def _apart(table: _Table, run: str, columns: list[Any], record: Any) -> Iterator[str]:
    """Where a row says otherwise than its record."""
    own = table.run_of(record)
    beside = zip(("run", *table.columns), (run, *columns), (own or run, *table.as_columns(record)), strict=True)
    for column, here, there in beside:
        if here != there:
            yield f"says {column} {here}, and its record {there}"


def _runs(db: Db) -> Iterator[Fault]:
    """What the columns of runs say by themselves: how far it is, since when and until when."""
    for run, phase, *times, outcome in db.execute("SELECT id, phase, started_at, ended_at, outcome FROM runs"):
        where = "its row in `runs`"
        try:
            _, ended_at = map(read_time, times)
            if (read_phase(phase) in ENDED) != (ended_at is not None):
                yield Fault(run, f"{where} says phase {phase}, and that it has {'' if ended_at else 'not '}ended")
            if outcome is not None:
                decode_outcome(outcome)
        except ValueError as error:
            yield Fault(run, f"{where} is wrong: {error}")
        except msgspec.DecodeError as error:
            yield Fault(run, f"{where} has an outcome that cannot be read ({error})")


def _outputs(db: Db, run: str, result: StepResult, contents: Contents, *, large: bool) -> Iterator[str]:
    """Whether the outputs are those of the digest; of a fan-out, whose items have them, the digests of its items."""
    if not result.output_digest and not result.outputs:
        return
    kept = [one[CONTENT] for one in result.outputs.values() if isinstance(one, dict) and CONTENT in one]
    if kept and not large:
        return
    try:
        if result.items is not None:
            query = "SELECT record FROM results WHERE run = ? AND step = ? AND item >= 0 ORDER BY item"
            items = [decode_result(record) for (record,) in db.execute(query, (run, result.key.step))]
            digest = digest_of_value([one.output_digest for one in items])
        elif all(isinstance(one, str) and DIGEST.fullmatch(one.encode()) for one in kept):
            digest = digest_of_value(fetch(result.outputs, contents))
        else:
            digest = ""
    except (ContentError, OSError):  # which is told by itself
        return
    except (msgspec.DecodeError, ValueError):  # of an item, which is told; or of content, which is not what it was
        digest = ""
    if digest != result.output_digest:
        what = "the digests of its items" if result.items is not None else "its outputs"
        yield f"has another digest of {what} than they have"


def _plans(db: Db) -> tuple[int, list[Fault]]:
    """Whether every plan is there, and what its digest says."""
    count, faults = 0, []
    for digest, content in db.execute("SELECT digest, content FROM plans"):
        count += 1
        try:
            decode_plan(content)
            why = "" if digest_of(content) == digest else "its plan is not what its digest says"
        except msgspec.DecodeError as error:
            why = f"its plan cannot be read ({error})"
        if why:
            runs = db.execute("SELECT id FROM runs WHERE plan = ?", (digest,)).fetchall()
            faults += [Fault(run, why) for (run,) in runs]
    lost = db.execute("SELECT id FROM runs WHERE plan NOT IN (SELECT digest FROM plans)")
    return count, faults + [Fault(run, "its plan is not in the journal") for (run,) in lost]
