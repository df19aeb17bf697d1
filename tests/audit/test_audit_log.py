"""What people did is in the log, in the transaction of the deed; what was done past the program is found."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from in_process import plan_of, reviewing
from msgspec import json
from somagent_shell import Shell

from somagent.governance.chain import chained
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.local import audit

GATED = '  steps: { ask: { review: { title: "Go on?", reviewers: { count: 2 } } } }\n'


def decide(by: str, *, approve: bool, comment: str = "") -> Decision:
    return Decision(step="ask", by=by, approve=approve, comment=comment, at=datetime.now(UTC))


async def live(directory: Path) -> None:
    """A run that was rejected and retried, half an approval, and a run that was cancelled."""
    async with reviewing(directory) as engine:
        first = await engine.submit(plan_of("gated", GATED), {}, submitter="ana", files={})
        await engine.run(first)
        await engine.signal(first, decide("bo", approve=False, comment="not yet"))
        await engine.run(first)
        second = await engine.retry_from(first)
        await engine.run(second)
        await engine.signal(second, decide("cy", approve=True))
        third = await engine.submit(plan_of("gated", GATED), {}, submitter="ana", files={})
        await engine.cancel(third, by="ana")
        await engine.run(third)


@pytest.fixture
def directory(somagent: Shell) -> Path:
    """The data directory in which all that happened."""
    asyncio.run(live(somagent.folder / ".somagent"))
    return somagent.folder / ".somagent"


@pytest.fixture
def past(directory: Path) -> Iterator[sqlite3.Connection]:
    """Its journal, opened past the program."""
    with closing(sqlite3.connect(directory / "journal.sqlite3", isolation_level=None)) as db:
        yield db


def entries(directory: Path) -> list[dict[str, Any]]:
    return [json.decode(line) for line in audit.lines(directory)]


def test_everything_that_people_did_is_in_the_log(directory: Path) -> None:
    found = entries(directory)
    assert [entry["kind"] for entry in found] == ["submit", "decision", "submit", "decision", "submit", "cancel"]
    assert [entry["seq"] for entry in found] == [1, 2, 3, 4, 5, 6]
    assert found[0]["submitter"] == "ana"
    assert (found[1]["by"], found[1]["approve"], found[1]["comment"]) == ("bo", False, "not yet")
    assert found[1]["run"] == found[0]["run"] == found[2]["retryOf"]
    assert found[5]["by"] == "ana"
    assert audit.check(directory) == (6, found[5]["hash"], "")
    assert not audit.check(directory, found[2]["hash"]).fault


def test_times_have_one_form_and_a_log_that_has_two_still_holds(directory: Path, past: sqlite3.Connection) -> None:
    """Before, `submit` and `cancel` were written with `+00:00`."""
    found = entries(directory)
    assert [entry["at"][-1] for entry in found] == ["Z"] * 6
    last = None
    for entry in found:
        seq = entry["seq"]
        fields = {name: value for name, value in entry.items() if name not in {"seq", "prev", "hash"}}
        if entry["kind"] != "decision":
            fields["at"] = entry["at"].replace("Z", "+00:00")
        last = chained(last, fields)
        assert past.execute("UPDATE audit SET entry = ? WHERE seq = ?", (last, seq)).rowcount == 1
    assert [entry["at"][-1] for entry in entries(directory)] == ["0", "Z", "0", "Z", "0", "0"]
    assert audit.check(directory).fault == ""
    asyncio.run(live(directory))
    assert [entry["at"][-1] for entry in entries(directory)[6:]] == ["Z"] * 6
    assert audit.check(directory)[::2] == (12, "")


def test_what_was_done_before_there_was_a_log_is_entered_when_the_journal_is_brought_up_to_date(
    directory: Path, past: sqlite3.Connection
) -> None:
    before = entries(directory)
    past.executescript("DROP TABLE audit; DROP INDEX IF EXISTS runs_left; PRAGMA user_version = 2")
    after = entries(directory)
    assert [entry.pop("carriedOver") for entry in after] == [True] * 6
    chain = {"seq", "prev", "hash"}
    told = [{name: value for name, value in entry.items() if name not in chain} for entry in after]
    for entry in before:
        assert {name: value for name, value in entry.items() if name not in chain} in told
    assert not audit.check(directory).fault


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit SET entry = replace(entry, '\"bo\"', '\"di\"') WHERE seq = 2", "entry 2: it was changed"),
        ("DELETE FROM audit WHERE seq = 3", "entry 3: it is number 4: entries were taken out"),
        ("UPDATE decisions SET record = replace(record, '\"bo\"', '\"di\"')", "the decision of di on `ask` of r-"),
        ("UPDATE decisions SET record = replace(record, '\"approve\":false', '\"approve\":true')", "decision of bo on"),
        ("DELETE FROM decisions WHERE seq = 1", "entry 2: its decision is not in the journal any more"),
        ("DELETE FROM audit WHERE seq > 5", "that ana cancelled r-"),
        ("UPDATE runs SET record = replace(record, '\"ana\"', '\"di\"')", "that di started r-"),
        ("UPDATE cancels SET person = 'di'", "that di cancelled r-"),
        ("UPDATE runs SET record = 'garbage'", "a record of the journal cannot be read (JSON is malformed"),
        ("UPDATE decisions SET record = '{}'", "a record of the journal cannot be read (Object missing"),
    ],
)
def test_what_was_changed_past_the_program_is_named(
    directory: Path, past: sqlite3.Connection, statement: str, said: str
) -> None:
    assert past.execute(statement).rowcount
    assert said in audit.check(directory).fault


def test_a_log_that_was_written_anew_has_not_the_hash_that_was_noted(directory: Path, past: sqlite3.Connection) -> None:
    noted = entries(directory)[-1]["hash"]
    past.executescript("DELETE FROM audit; DELETE FROM runs; DELETE FROM decisions; DELETE FROM cancels")
    assert not audit.check(directory).fault  # nothing is there, and it agrees with itself
    assert f"no entry has the hash {noted}" in audit.check(directory, noted).fault


def test_a_hash_that_was_noted_may_be_that_of_any_entry_of_a_journal_or_a_file(
    somagent: Shell, directory: Path
) -> None:
    kept = [line.decode() for line in audit.lines(directory)]
    somagent.write("kept.jsonl", "".join(f"{line}\n" for line in kept))
    somagent.write("cut-off.jsonl", f"{kept[0]}\n")
    noted = entries(directory)[1]["hash"]
    whole = somagent("audit", "verify", "--head", noted)
    assert (whole.code, whole.out) == (
        0,
        f"✓ 6 entries, each as it was written\n    head: {entries(directory)[-1]['hash']}\n",
    )
    assert somagent("audit", "verify", "--head", noted, "--file", "kept.jsonl") == whole
    missing = somagent("audit", "verify", "--head", noted, "--file", "cut-off.jsonl")
    said = f"✗ no entry has the hash {noted}: the log was cut off or written anew\n    1 entries hold\n"
    assert (missing.code, missing.out) == (1, said)


def test_a_broken_log_is_an_error_of_the_commands(somagent: Shell, directory: Path, past: sqlite3.Connection) -> None:
    somagent.write(
        "kept.jsonl", "".join(f"{line.decode()}\n" for line in audit.lines(directory)).replace("not yet", "go")
    )
    kept = somagent("audit", "verify", "--file", "kept.jsonl", "--output", "json")
    assert (kept.code, kept.json["entries"], "entry 2: it was changed" in kept.json["fault"]) == (1, 1, True)
    assert past.execute("DELETE FROM audit WHERE seq = 3").rowcount
    verified, doctor = somagent("audit", "verify"), somagent("doctor")
    assert (verified.code, verified.out.startswith("✗ entry 3: it is number 4")) == (1, True)
    assert (doctor.code, "✗ audit log: entry 3" in doctor.out) == (1, True)
