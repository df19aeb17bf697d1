"""Looks through a data directory for what is broken, and says what to do about each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from somagent.capsule_compiler.plan import decode_plan
from somagent.operators.runner.objects import ContentError, ObjectStore
from somagent.workflows.engines.digests import digests_in, stored_in
from somagent.workflows.engines.findings import Finding, identity
from somagent.workflows.engines.lease import holder
from somagent.workflows.engines.local import audit
from somagent.workflows.engines.local.room import room_at
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Db, Store
from somagent.workflows.engines.local.upkeep.records import look_at_records
from somagent.workflows.engines.local.upkeep.references import manifest
from somagent.workflows.engines.protocol import EngineError

_STALE_S = 3600.0
_MOST = 3  # rows of a run that are told of
_OF_A_RUN = "what it did is in doubt, other runs are not touched by it; run its capsule anew, or begin with a backup"


def examine(place: Path | Store, *, contents: bool = True) -> Iterator[Finding]:
    """Everything about runs and their files, in order; with `contents`, every stored byte is read too."""
    store = store_at(place)
    directory = store.directory
    room = room_at(directory)
    yield (
        Finding("disk", "note", room.said, "make room before the next run")
        if room.is_little
        else Finding("disk", "good", room.said)
    )
    try:
        db = store.reader()
    except EngineError as error:
        db, fault = None, str(error)
    yield from _lease(store, db)
    yield identity(directory)
    if db is None:
        yield Finding("journal", "broken", fault, "")
        return
    try:
        with closing(db):
            yield from _journal(db, store)
            yield from _records(db, store, contents=contents)
            yield _audit(store)
            yield from _contents(db, directory, whole=contents)
    except store.errors as error:
        yield Finding("journal", "broken", str(store.translated(error)), "")
    yield from _leftovers(directory)


def _lease(store: Store, db: Db | None) -> Iterator[Finding]:
    if store.shared and db is None:
        return  # only the database knows
    pids = sorted(store.holders(db).values()) if store.shared else [pid for pid in [holder(store.directory)] if pid]
    many = f"processes {', '.join(map(str, pids))} are at work"
    said = "nobody is at work" if not pids else f"process {pids[0]} is at work" if len(pids) == 1 else many
    yield Finding("lease", "good", said)


def _journal(db: Db, store: Store) -> Iterator[Finding]:
    problems = store.problems(db)
    if problems:
        keep = f"keep a copy of {store.where}, then begin with a backup, or move the journal away"
        yield Finding("journal", "broken", f"{store.database} says: {'; '.join(problems[:5])}", keep)
        return
    (count,) = db.execute("SELECT count(*) FROM runs").fetchone()
    size = store.size(db)
    yield Finding("journal", "good", f"version {store.tables_version}, {count:,} runs, {size:,} bytes, no damage")


def _records(db: Db, store: Store, *, contents: bool) -> Iterator[Finding]:
    """Of each run that a row is wrong of, the first few."""
    store.snapshot(db)  # rows are held against each other
    try:
        looked = look_at_records(db, store.directory / "contents", large=contents)
    finally:
        db.execute("ROLLBACK")
    wrong: dict[str, list[str]] = {}
    for fault in looked.faults:
        wrong.setdefault(fault.run, []).append(fault.said)
    for run, said in wrong.items():
        more = f"; and {len(said) - _MOST:,} more of its rows" if len(said) > _MOST else ""
        yield Finding(f"run {run}", "broken", "; ".join(said[:_MOST]) + more, _OF_A_RUN)
    if not wrong:
        yield Finding("records", "good", f"all {looked.rows:,} can be read, and agree with their columns and digests")


def _audit(store: Store) -> Finding:
    checked = audit.check(store)
    if not checked.fault:
        return Finding("audit log", "good", f"{checked.said}")
    way_out = "somebody wrote to the journal past this program; compare with a backup, or with lines kept elsewhere"
    return Finding("audit log", "broken", checked.fault, way_out)


def _contents(db: Db, directory: Path, *, whole: bool) -> Iterator[Finding]:
    """Content that runs stand on is here, and is what was stored."""
    store = ObjectStore(directory / "contents")
    users = _users(db, directory / "contents")
    broken = size = 0
    for digest, runs in sorted(users.items()):
        path = store.path(digest)
        try:
            size += path.stat().st_size
            if whole:
                with Path(os.devnull).open("wb") as nowhere:
                    store.copy_to(digest, nowhere)
            continue
        except FileNotFoundError:
            said = f"{path} is missing"
        except (ContentError, OSError) as error:
            said = str(error)
        broken += 1
        of = f" (of {', '.join(runs[:3])}{f' and {len(runs) - 3} more' if len(runs) > 3 else ''})"
        yield Finding("content", "broken", said + of, "restore that file from a backup, or run the capsule anew")
    if not broken:
        how = "whole" if whole else "there; what is in them was not read"
        yield Finding("content", "good", f"{len(users):,} files, {size:,} bytes, all {how}")


def _users(db: Db, contents: Path) -> dict[str, list[str]]:
    """Runs by the digest of the content that they stand on: files taken along, large values, artifacts."""
    users: dict[str, list[str]] = {}
    taken_along: dict[str, list[str]] = {}
    for digest, content in db.execute("SELECT digest, content FROM plans"):
        with suppress(msgspec.DecodeError):  # which is shown
            plan = decode_plan(content)
            taken_along[digest] = [one.digest for each in (plan, *plan.capsules.values()) for one in each.files]
    for run, plan_digest in db.execute("SELECT id, plan FROM runs"):
        for digest in taken_along.get(plan_digest, ()):
            users.setdefault(digest, []).append(run)
    for run, record in db.execute("SELECT run, record FROM results"):
        with suppress(msgspec.DecodeError):
            for digest in stored_in(msgspec.json.decode(record).get("outputs", {})):
                for one in (digest, *digests_in(manifest(ObjectStore(contents).path(digest)))):
                    if run not in (known := users.setdefault(one, [])):
                        known.append(run)
    return users


def _leftovers(directory: Path) -> Iterator[Finding]:
    old = time.time() - _STALE_S
    left = [path for path in (directory / "contents" / "incoming").glob("*") if path.stat().st_mtime < old]
    if left:
        yield Finding("content", "note", f"{len(left)} writes that were cut off take room", f"rm -r {left[0].parent}/*")
