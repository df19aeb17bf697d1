"""Tables of an older version become those of today, once, and those of a newer one are left alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from databases import VARIABLE
from somagent_shell import Shell

from somagent.workflows.engines.local import postgres_schema, schema
from somagent.workflows.engines.local.postgres import PostgresStore
from somagent.workflows.engines.protocol import EngineError

# What the program after that one did to them.
VERSION_4 = """
ALTER TABLE workers ADD COLUMN alone BOOLEAN NOT NULL;
DROP VIEW alive;
CREATE VIEW alive AS SELECT epoch, pid, host, serves, alone FROM workers WHERE expires > clock_timestamp()
    AND epoch IN (SELECT objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND classid::bigint = hashtext(current_schema())::bigint & 4294967295);
UPDATE store SET version = 4;
INSERT INTO workers VALUES (7, 1, 'here', true, clock_timestamp() + interval '1 hour', false);
"""

Wait = Callable[[Callable[[], bool]], None]
# What a program with tables of version 3 wrote: an ended run, and one that waits at a gate.
VERSION_3 = Path(__file__).with_name("version_3.sql")


@pytest.fixture
def old(database: None, tmp_path: Path) -> Iterator[str]:
    """The address of tables of version 3."""
    address = os.environ[VARIABLE]
    name = f"old{abs(hash(tmp_path)) % 10**8}"
    with psycopg.connect(address, autocommit=True) as db:
        db.execute(VERSION_3.read_text().replace("version3", name).encode())
    yield f"{address}{'&' if '?' in address else '?'}options={quote(f'-csearch_path={name}')}"
    with psycopg.connect(address, autocommit=True) as db:
        db.execute(f"DROP SCHEMA {name} CASCADE")


def version(address: str) -> int:
    with psycopg.connect(address) as db:
        return int(db.execute("SELECT version FROM store").fetchone()[0])


def test_the_tables_are_those_of_the_journal_of_today() -> None:
    """Who changes the journal's tables gives those in PostgreSQL a version, too."""
    assert schema.VERSION == postgres_schema.JOURNAL_VERSION


def test_what_an_older_program_parked_is_completed_by_this_one(somagent: Shell, old: str) -> None:
    runs = somagent("runs", "--store", old, "--output", "json").json
    assert {run["capsule"]: run["phase"] for run in runs} == {"parked": "Waiting", "quick": "Succeeded"}
    assert version(old) == postgres_schema.VERSION
    parked = runs[0]["id"]
    done = somagent("approve", parked, "agree", "--as", "bo", "--store", old, "--output", "json")
    assert (done.code, done.json["phase"], done.json["steps"]["build"]["attempts"]) == (0, "Succeeded", 1)
    assert somagent("audit", "verify", "--store", old).code == 0
    assert somagent("doctor", "--store", old).code == 0


@pytest.mark.parametrize("before", [3, 4])
def test_tables_that_came_from_an_older_version_are_like_new_ones(
    old: str, store: str, tmp_path: Path, before: int
) -> None:
    if before == 4:
        with psycopg.connect(old, autocommit=True) as db:
            db.execute(VERSION_4.encode())
    for address in (old, store):
        PostgresStore(address, tmp_path).writer().close()

    def columns(address: str) -> set[tuple[str, ...]]:
        query = (
            "SELECT table_name, column_name, data_type, is_nullable, collation_name, column_default "
            "FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        with psycopg.connect(address) as db:
            return {tuple(map(str, row)) for row in db.execute(query)}

    def indexes(address: str) -> set[str]:
        query = "SELECT replace(indexdef, current_schema(), '') FROM pg_indexes WHERE schemaname = current_schema()"
        with psycopg.connect(address) as db:
            return {row[0] for row in db.execute(query)}

    assert columns(old) == columns(store)
    assert indexes(old) == indexes(store)


@pytest.mark.parametrize("before", ["none", "version 3"])
def test_of_many_that_begin_at_once_one_makes_the_tables(old: str, store: str, tmp_path: Path, before: str) -> None:
    address = store if before == "none" else old
    errors: list[BaseException] = []
    together = threading.Barrier(8)

    def begin() -> None:
        together.wait()
        try:
            PostgresStore(address, tmp_path).writer().close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert version(address) == postgres_schema.VERSION


def test_a_migration_that_fails_leaves_all_as_it_was(old: str, tmp_path: Path) -> None:
    with psycopg.connect(old, autocommit=True) as db:
        db.execute("CREATE VIEW mine AS SELECT * FROM alive")  # so that it cannot be made anew
    with pytest.raises(EngineError, match="refuses: "):
        PostgresStore(old, tmp_path).writer()
    assert version(old) == 3
    with psycopg.connect(old, autocommit=True) as db:
        db.execute("DROP VIEW mine")
    PostgresStore(old, tmp_path).writer().close()
    assert version(old) == postgres_schema.VERSION


def test_who_is_at_work_when_a_newer_program_changes_the_tables_writes_nothing_more(
    somagent: Shell, store: str, serve: Callable[[str], Any], said: Callable[[str], str], wait_until: Wait
) -> None:
    """What this program does beside the next one: that one removes all workers, and raises the version."""
    process = serve("one")
    wait_until(lambda: "works in" in said("one"))
    name = somagent.capsule("slow", "  steps: { a: { script: { run: 'touch ../../begun; sleep 30' } } }\n")
    run = somagent("run", name, "--detach", "--store", store, "--output", "json").json["id"]
    wait_until(lambda: any((somagent.folder / ".somagent").rglob("begun")))
    with psycopg.connect(store) as db:
        db.execute("SELECT pg_advisory_xact_lock(%s)", (postgres_schema.CHAIN,))
        db.execute("DELETE FROM workers")
        db.execute("UPDATE store SET version = 99")
    assert process.wait(20) == 2
    assert "another process took over" in said("one")
    assert "was written by a newer SomaGent (version 99" in said("one")
    with psycopg.connect(store) as db:
        assert db.execute("SELECT phase, ended_at FROM runs WHERE id = %s", (run,)).fetchone() == ("Running", None)
        assert db.execute("SELECT count(*) FROM workers").fetchone() == (0,)
