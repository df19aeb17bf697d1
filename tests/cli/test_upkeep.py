"""Care of a data directory: `prune`, `backup` and `doctor`, beside runs that go on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from small_capsules import MAKES
from somagent_shell import Shell

from somagent.workflows.engines.local.upkeep.prune import TABLES_OF_RUNS

Wait = Callable[[Callable[[], bool]], None]


def objects(somagent: Shell, folder: str = ".somagent") -> set[str]:
    return {path.name for path in (somagent.folder / folder / "contents" / "objects").glob("*/*")}


def journal(somagent: Shell) -> closing[sqlite3.Connection]:
    path = somagent.folder / ".somagent" / "journal.sqlite3"
    return closing(sqlite3.connect(path, isolation_level=None))


def age(somagent: Shell) -> None:
    """Makes all content older than what may still be on its way."""
    for path in (somagent.folder / ".somagent" / "contents" / "objects").glob("*/*"):
        os.utime(path, (0, 0))


@pytest.fixture
def three(somagent: Shell) -> list[str]:
    """Three ended runs, newest first; the first and the last one made the same."""
    name = somagent.capsule("makes", MAKES)
    for word in ("one", "two", "one"):
        assert somagent("run", name, "--input", f"word={word}").code == 0
    return [run["id"] for run in somagent("runs", "--output", "json").json]


def test_what_is_pruned_takes_along_only_what_nobody_else_stands_on(somagent: Shell, three: list[str]) -> None:
    age(somagent)
    before = objects(somagent)
    said = somagent("prune", "--older-than", "0s", "--keep", "1", "--dry-run", "--output", "json").json
    assert (said["runs"], objects(somagent)) == ([three[2], three[1]], before)
    done = somagent("prune", "--older-than", "0s", "--keep", "1", "--output", "json").json
    assert (done["runs"], done["files"]) == (said["runs"], said["files"])
    assert [run["id"] for run in somagent("runs", "--output", "json").json] == three[:1]
    assert len(before) - len(objects(somagent)) == 2  # the file `x` of "two", and the manifest of its folder
    assert somagent("doctor").code == 0
    assert somagent("artifacts", "last", "f", "--to", "out").code == 0
    assert (somagent.folder / "out" / "f" / "x").read_text() == "one\n"
    assert [path.name for path in (somagent.folder / ".somagent" / "reports").iterdir()] == [f"{three[0]}.html"]


def test_runs_that_are_young_or_have_not_ended_stay(somagent: Shell, gated: str, three: list[str]) -> None:
    assert somagent("run", gated).code == 3
    assert somagent("prune", "--older-than", "1h", "--output", "json").json["runs"] == []
    assert somagent("prune", "--older-than", "0s", "--output", "json").json["runs"] == three[::-1]
    (parked,) = somagent("runs", "--output", "json").json
    assert somagent("approve", parked["id"], "ask", "--as", "ann").code == 0


def test_every_table_that_says_something_about_runs_is_pruned(somagent: Shell, three: list[str]) -> None:
    with journal(somagent) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - TABLES_OF_RUNS.keys() == {"lease", "plans", "audit"}
    assert somagent("prune", "--older-than", "0s").code == 0
    with journal(somagent) as db:
        rows = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    assert {name for name, count in rows.items() if count} == {"lease", "audit"}  # what people did is kept
    assert three  # they were there


def test_nothing_is_pruned_while_somebody_is_at_work(somagent: Shell, wait_until: Wait, three: list[str]) -> None:
    name = somagent.capsule("slow", "  steps: { a: { script: { run: 'touch ../../begun; sleep 8' } } }\n")
    process = somagent.start("run", name)
    wait_until(lambda: any((somagent.folder / ".somagent").rglob("begun")))
    held = somagent("prune", "--older-than", "0s")
    assert (held.code, "runs capsules in" in held.err) == (5, True)
    assert somagent("prune", "--older-than", "0s", "--dry-run", "--output", "json").json["runs"] == three[::-1]

    assert somagent("backup", "copy").code == 0
    process.kill()
    process.communicate()
    listed = somagent("runs", "--data-dir", "copy", "--output", "json").json
    assert [run["id"] for run in listed][1:] == three
    assert listed[0]["phase"] == "Pending"
    assert somagent("doctor", "--data-dir", "copy").code == 0
    assert objects(somagent, "copy") == objects(somagent)


def test_a_backup_is_whole_or_not_there(somagent: Shell, three: list[str]) -> None:
    assert three
    assert somagent("backup", "copy").code == 0
    again = somagent("backup", "copy")
    assert (again.code, "is there already" in again.err) == (2, True)
    broken = max(
        (somagent.folder / ".somagent" / "contents" / "objects").glob("*/*"), key=lambda one: one.stat().st_size
    )
    broken.chmod(0o644)
    broken.write_text("something else")
    failed = somagent("backup", "other")
    assert failed.code == 2
    assert "is damaged" in failed.err
    assert [path.name for path in somagent.folder.iterdir() if path.name.startswith("other")] == []


def test_the_doctor_names_what_is_broken_and_whose_it_is(somagent: Shell, three: list[str]) -> None:
    sound = somagent("doctor", "--output", "json")
    assert (sound.code, {one["state"] for one in sound.json}) == (0, {"good"})
    shared = max(
        (somagent.folder / ".somagent" / "contents" / "objects").glob("*/*"), key=lambda one: one.stat().st_size
    )
    shared.unlink()
    missing = somagent("doctor")
    assert missing.code == 1
    assert f"{shared} is missing".replace(str(somagent.folder) + "/", "") in missing.out
    assert all(run in missing.out for run in three)
    with journal(somagent) as db:
        db.execute("UPDATE results SET record = '{' WHERE run = ?", (three[1],))
    unreadable = somagent("doctor", "--quick")
    said = f"✗ run {three[1]}: the row of `made` in `results` has a record that cannot be read"
    assert said in unreadable.out
    assert unreadable.out.count("cannot be read") == 1
    with journal(somagent) as db:
        db.execute("DELETE FROM plans")
    lost = somagent("doctor", "--quick")
    assert lost.code == 1
    told = [line for line in lost.out.splitlines() if "its plan is not in the journal" in line]
    assert sorted(line.partition(":")[0] for line in told) == sorted(f"✗ run {run}" for run in three)


def test_mistakes_on_the_command_line_are_said(somagent: Shell) -> None:
    assert "there is no data directory" in somagent("doctor").err
    assert somagent("prune", "--older-than", "0s").code == 2
    assert "no duration" in somagent("prune", "--older-than", "soon").err
    assert somagent("backup", "x").code == 2
    fewer = somagent("prune", "--older-than", "0s", "--keep", "-1")
    assert (fewer.code, "argument --keep: `-1` is not a whole number from 0 on" in fewer.err) == (2, True)


@pytest.mark.parametrize("option", ["--data-dir", "--store"])
def test_an_empty_name_is_not_the_default(somagent: Shell, option: str) -> None:
    """A variable that is not set must not prune another directory."""
    empty = somagent("prune", "--older-than", "0s", option, "")
    assert (empty.code, f"argument {option}: it is empty; name one, or leave the option out" in empty.err) == (2, True)


def test_a_backup_is_not_made_inside_of_what_it_is_of(somagent: Shell, three: list[str]) -> None:
    assert three
    (somagent.folder / "link").symlink_to(".somagent")
    for folder in (".somagent/copy", ".somagent/logs/copy", "link/copy"):
        inside = somagent("backup", folder)
        said = f"error: {folder} is inside the data directory, which it would be lost with; name a folder outside\n"
        assert (inside.code, inside.err) == (2, said)
    assert not list((somagent.folder / ".somagent").rglob("copy*"))
