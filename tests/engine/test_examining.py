# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""What somebody wrote past the program, or a failing disk changed, is found: the row is named, and what to do."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest
from msgspec import json

from somagent.capsule_compiler.plan import FanOut, Template
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.local.reading import damaged
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.upkeep import examine
from somagent.workflows.engines.protocol import JournalDamaged

RECORD = "SELECT record FROM results WHERE run = ? AND step = ? AND item = ?"
LARGE = "x" * 70_000


@pytest.fixture
def past(place):
    """Executes a statement past the program."""

    def execute(statement, values=()):
        with closing(store_at(place).writer()) as db:
            cursor = db.execute(statement, values)
            return cursor.fetchall() if statement.startswith("SELECT") else cursor.rowcount

    yield execute
    store_at(place).close()


@pytest.fixture
def ended(make_engine, make_node, make_plan, go, tmp_path):
    """The id of a run that succeeded: of a value, a large one, a fan-out, and a gate that bob approved."""
    note = {"operator": "note", "outputs": {"value": {}}}
    a = make_node("a", arguments={"file": str(tmp_path / "notes"), "value": 41}, **note)
    large = make_node("large", arguments={"file": str(tmp_path / "notes"), "value": LARGE}, **note)
    items = FanOut(items=Template(value=[1, 2]), name="item", item_schema={})
    each = make_node("each", arguments={"file": str(tmp_path / "notes"), "value": 7}, fan_out=items, **note)
    plan = make_plan(a, large, each, make_node("gate", operator="ask", gate=True))

    async def main():
        async with make_engine() as engine:
            run = await engine.submit(plan, {}, submitter="ada", files={})
            await engine.run(run)
            await engine.signal(run, Decision(step="gate", by="Bob", approve=True, at=datetime.now(UTC)))
            assert (await engine.run(run)).phase == "Succeeded"
            return run

    return go(main())


def broken(place, **options):
    return [(one.about, one.said) for one in examine(place, **options) if one.state == "broken"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE runs SET phase = 'Bogus'", "its row in `runs` is wrong: `Bogus` is no phase"),
        ("UPDATE runs SET ended_at = 'soon'", "its row in `runs` is wrong: `soon` is no time"),
        ("UPDATE runs SET ended_at = NULL", "its row in `runs` says phase Succeeded, and that it has not ended"),
        (
            "UPDATE results SET phase = 'Failed' WHERE step = 'a'",
            "the row of `a` in `results` says phase Failed, and its record Succeeded",
        ),
        (
            "UPDATE attempts SET open = 1 WHERE item = 1",
            "the row of `each/1` in `attempts` says open 1, and its record 0",
        ),
        ("UPDATE decisions SET person = 'eve'", "the row of `gate` in `decisions` says person eve, and its record bob"),
    ],
)
def test_a_column_that_says_otherwise_than_its_record_is_named(ended, place, past, statement, said):
    assert broken(place) == []
    assert past(statement) == 1
    assert broken(place) == [(f"run {ended}", said)]
    (found,) = [one for one in examine(place) if one.state == "broken"]
    assert "run its capsule anew, or begin with a backup" in found.way_out


@pytest.mark.parametrize(
    ("key", "old", "new", "said"),
    [
        (("a", -1), b"41", b"42", "the row of `a` in `results` has another digest of its outputs than they have"),
        (
            ("each", -1),
            b'"output_digest":"sha256:',
            b'"output_digest":"sha257:',
            "another digest of the digests of its",
        ),
        (
            ("large", -1),
            b'"outputs":{"value":{"$content":"sha256:',
            b'"outputs":{"value":{"$content":"sha257:',
            "`large`",
        ),
        (("a", -1), b'"outputs"', b'"outputt"', "the row of `a` in `results` has another digest of its outputs"),
        (("a", -1), b'"Succeeded"', b'"Succeedef"', "the row of `a` in `results` has a record that cannot be read"),
    ],
)
def test_outputs_that_are_not_those_of_their_digest_are_named(ended, place, past, key, old, new, said):
    ((record,),) = past(RECORD, (ended, *key))
    changed = bytes(record).replace(old, new)
    assert changed != record
    past("UPDATE results SET record = ? WHERE run = ? AND step = ? AND item = ?", (changed, ended, *key))
    ((about, told),) = broken(place)
    assert about == f"run {ended}"
    assert said in told


def test_a_large_output_of_another_step_is_noticed_when_contents_are_read(ended, place, past):
    """It is whole, and of another digest than the result has."""
    with closing(store_at(place).writer()) as db:
        ((record,),) = db.execute(RECORD, (ended, "large", -1)).fetchall()
    content = store_at(place).directory / "contents"
    other = Contents(content).put_bytes(json.encode("y" * 70_000))
    old = json.decode(record)["outputs"]["value"]["$content"]
    past("UPDATE results SET record = ? WHERE step = 'large'", (bytes(record).replace(old.encode(), other.encode()),))
    assert broken(place, contents=False) == []
    assert broken(place) == [
        (f"run {ended}", "the row of `large` in `results` has another digest of its outputs than they have")
    ]


def test_of_many_rows_of_a_run_the_first_are_told(ended, place, past):
    past("UPDATE attempts SET number = number + 1 WHERE step != 'gate'")
    ((_, said),) = broken(place)
    assert said.count("says number 2, and its record 1") == 3
    assert said.endswith("; and 1 more of its rows")


@pytest.mark.parametrize("column", ["phase = 'Bogus'", "ended_at = 'soon'", "started_at = '2026-11-24'"])
def test_a_run_whose_row_is_damaged_is_called_so_and_keeps_nobody_from_the_others(
    ended, run_plan, make_plan, make_node, make_engine, place, past, column
):
    past(f"UPDATE runs SET {column}")
    engine = make_engine()
    said = f"a record of run {ended} that this SomaGent cannot read .* is no .*run the capsule anew"
    for look in (engine.runs, lambda: engine.view(ended)):
        with pytest.raises(JournalDamaged, match=said):
            look()
    other = run_plan(make_plan(make_node("a")))
    assert [one.id for one in engine.runs()] == [other.run.id]
    assert len(damaged(place)) == 1
    assert engine.view(other.run.id) == other


def test_a_phase_of_a_step_that_is_none_is_damage(ended, make_engine, go, past):
    past("UPDATE results SET phase = 'Bogus' WHERE step = 'a'")
    past("UPDATE runs SET phase = 'Pending', ended_at = NULL, outcome = NULL")

    async def go_on():
        async with make_engine() as engine:
            await engine.run(ended)

    with pytest.raises(JournalDamaged, match="`Bogus` is no phase"):
        go(go_on())
