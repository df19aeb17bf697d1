"""The audit log: who started, decided and cancelled, hash-chained, written in the transaction of the deed itself.

So a kill loses neither without the other, and a deed that the chain does not know was not done through this program.
Pruned runs leave their entries. The chain itself is `governance.chain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from somagent.governance.canonical import canonical_json
from somagent.governance.chain import Checked, chained, check_chain
from somagent.operators.runner.records import Decision, RunRecord
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Db, Store
from somagent.workflows.engines.protocol import UnknownRun


def submitted(db: Db, run: RunRecord, **more: Any) -> None:
    """Writes down who started a run, of what."""
    _append(db, {"kind": "submit", "at": _time(run.created_at), **_of_run(run), **more})


def decided(db: Db, run_id: str, decision: Decision, **more: Any) -> None:
    """Writes down what a person decided, all of it."""
    _append(db, {"kind": "decision", "run": run_id, **_of_decision(decision), **more})


def cancelled(db: Db, run_id: str, by: str, at: datetime, **more: Any) -> None:
    """Writes down who asked a run to stop."""
    _append(db, {"kind": "cancel", "at": _time(at), **_of_cancel(run_id, by), **more})


def carry_over(db: Db) -> None:
    """Enters what was done before there was a chain; the entries say that they were made later."""
    for (record,) in db.execute(_WHOLE_RUNS).fetchall():
        submitted(db, _decode_run(record), carriedOver=True)
    for run_id, record in db.execute("SELECT run, record FROM decisions ORDER BY seq").fetchall():
        decided(db, run_id, _decode_decision(record), carriedOver=True)
    for run_id, by, at in db.execute("SELECT run, person, at FROM cancels ORDER BY at").fetchall():
        cancelled(db, run_id, by, datetime.fromisoformat(at), carriedOver=True)


def lines(place: Path | Store) -> Iterator[bytes]:
    """The entries, oldest first, each a line of JSON without its end; raises `UnknownRun` when there is no journal."""
    with _opened(place) as db:
        yield from _lines(db)


def check(place: Path | Store, head: str = "") -> Checked:
    """Follows the chain, and holds what the journal says of people against it.

    With `head`, the hash of an entry that was noted before, this entry must still be in the chain.
    """
    with _opened(place) as db:
        store_at(place).snapshot(db)
        found = check_chain(_lines(db), head)
        if found.fault:
            return found
        entries = [msgspec.json.decode(line) for line in _lines(db)]
        try:
            beside = _beside(db, entries)
        except msgspec.DecodeError as error:
            beside = f"a record of the journal cannot be read ({error}); `somagent doctor` names its run"
        return found._replace(fault=beside)


@contextmanager
def _opened(place: Path | Store) -> Iterator[Db]:
    store = store_at(place)
    if not store.exists():
        raise UnknownRun(f"there are no runs in {store.where}")
    try:
        with closing(store.reader()) as db:
            yield db
    except store.errors as error:
        raise store.translated(error) from error


def _lines(db: Db) -> Iterator[bytes]:
    for (entry,) in db.execute("SELECT entry FROM audit ORDER BY seq"):
        yield entry if isinstance(entry, bytes) else str(entry).encode()  # as somebody else wrote it


def _append(db: Db, fields: dict[str, Any]) -> None:
    """The next entry; its number is its key, so of two transactions that follow the same entry one fails."""
    last = db.execute("SELECT seq, entry FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    seq, entry = last or (0, None)
    db.execute("INSERT INTO audit (seq, entry) VALUES (?, ?)", (seq + 1, chained(entry, fields)))


_WHOLE_RUNS = "SELECT record FROM runs WHERE id NOT IN (SELECT run FROM children) ORDER BY seq"
_decode_decision = msgspec.json.Decoder(Decision).decode
_decode_run = msgspec.json.Decoder(RunRecord).decode


def _of_run(run: RunRecord) -> dict[str, Any]:
    retry = {"retryOf": run.retry_of} if run.retry_of else {}
    return {"run": run.id, "capsule": run.capsule, "plan": run.plan_digest, "submitter": run.submitter, **retry}


def _of_decision(decision: Decision) -> dict[str, Any]:
    return dict(msgspec.to_builtins(decision))  # what has its default is left out, also what later versions add


def _of_cancel(run_id: str, by: str) -> dict[str, Any]:
    return {"run": run_id, "by": by}


def _beside(db: Db, entries: list[dict[str, Any]]) -> str:
    """What the journal has and the log has not, or has otherwise; a decision is taken over by retries of its run."""
    known = {_facts(entry) for entry in entries}
    deeds = {_facts({**entry, "run": ""}) for entry in entries if entry["kind"] == "decision"}
    kept = set()
    for (record,) in db.execute(_WHOLE_RUNS):
        run = _decode_run(record)
        if _facts({"kind": "submit", "at": _time(run.created_at), **_of_run(run)}) not in known:
            return f"that {run.submitter} started {run.id} is in the journal and not in the log"
    for run_id, record in db.execute("SELECT run, record FROM decisions"):
        decision = _decode_decision(record)
        facts = _facts({"kind": "decision", "run": "", **_of_decision(decision)})
        if facts not in deeds:
            return (
                f"the decision of {decision.by} on `{decision.step}` of {run_id} is in the journal and not in the log"
            )
        kept.add((run_id, facts))
    for run_id, by, at in db.execute("SELECT run, person, at FROM cancels"):
        if _facts({"kind": "cancel", "at": at, **_of_cancel(run_id, by)}) not in known:
            return f"that {by} cancelled {run_id} is in the journal and not in the log"
    runs = {run for (run,) in db.execute("SELECT id FROM runs")}
    for entry in entries:
        told = entry["kind"] == "decision" and entry["run"] in runs
        if told and (entry["run"], _facts({**entry, "run": ""})) not in kept:
            return f"entry {entry['seq']}: its decision is not in the journal any more"
    return ""


def _time(at: datetime) -> str:
    """A time as entries have it, in UTC: `2026-11-30T07:12:00Z`."""
    return str(msgspec.to_builtins(at.astimezone(UTC)))


def _facts(entry: dict[str, Any]) -> bytes:
    """An entry but for its place in the chain, and in one form of time: there were two, `Z` and `+00:00`."""
    facts = {name: value for name, value in entry.items() if name not in _OF_THE_CHAIN}
    if isinstance(at := facts.get("at"), str) and at.endswith("+00:00"):
        facts["at"] = at.removesuffix("+00:00") + "Z"
    return canonical_json(facts)


_OF_THE_CHAIN = {"seq", "prev", "hash", "carriedOver"}
