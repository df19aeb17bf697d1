"""The journal is a ledger: what it acknowledged is there, in order, and only once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Budget, encode_plan
from somagent.operators.runner.ledger import Account, AttemptHeld, BudgetExceeded
from somagent.operators.runner.records import Failure, RunRecord, StepKey, StepResult, Waiting
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.faults import translated
from somagent.workflows.engines.local.journal import Journal
from somagent.workflows.engines.local.rows import Rows
from somagent.workflows.engines.local.submission import prepare, write_run
from somagent.workflows.engines.protocol import EngineError, JournalDamaged

AT = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Journal]:
    prepare(directory)
    journal = Journal(directory)
    try:
        yield journal
    finally:
        journal.close()


@pytest.fixture
def a_run(make_plan, make_node):
    """Submits a run of one step and gives its key."""

    async def start(journal: Journal, token: Callable[[], str] = lambda: "0001") -> StepKey:
        run = RunRecord(id="", capsule="hand-made", plan_digest="", submitter="ada", inputs={"n": 1}, created_at=AT)
        content = encode_plan(make_plan(make_node("a")))
        return StepKey(await journal.write("submit", lambda db: write_run(db, run, content, token=token)), "a")

    return start


def result(key: StepKey, **fields) -> StepResult:
    return StepResult(key=key, **{"phase": "Succeeded", "ended_at": AT, **fields})


def test_what_was_recorded_is_read_back_by_another_connection(tmp_path, go, a_run):
    async def write():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
            attempt = await journal.begin(key, AT)
            await journal.record(attempt, result(key, outputs={"n": 2**62, "t": "\u2028ß"}, attempts=1))
            return key

    async def read(key):
        async with opened(tmp_path) as journal:
            run = await journal.run(key.run)
            return run, (await journal.plan(key.run)).capsule.name, await journal.result(key)

    key = go(write())
    run, capsule, recorded = go(read(key))
    assert (run.submitter, run.inputs, run.created_at, capsule) == ("ada", {"n": 1}, AT, "hand-made")
    assert recorded == result(key, outputs={"n": 2**62, "t": "\u2028ß"}, attempts=1)


def test_the_first_result_of_a_step_stays(tmp_path, go, a_run):
    async def main():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
            first = await journal.record(None, result(key, outputs={"n": 1}))
            second = await journal.record(None, result(key, outputs={"n": 2}, phase="Failed"))
            return first, second, await journal.result(key)

    first, second, read = go(main())
    assert first == second == read
    assert read.outputs == {"n": 1}


def test_a_second_attempt_at_the_same_time_is_refused(tmp_path, go, a_run):
    async def main():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
            both = await asyncio.gather(journal.begin(key, AT), journal.begin(key, AT), return_exceptions=True)
            other = await journal.begin(StepKey(key.run, "b"), AT)
            return both, other

    (first, second), other = go(main())
    assert first.number == 1
    assert isinstance(second, AttemptHeld)
    assert other.number == 1


def test_attempts_know_how_many_before_them_failed_and_what_was_asked(tmp_path, go, a_run):
    async def main():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
            seen = []
            for failure_class in ("transient", "cut_off", "cancelled", "timeout", None):
                attempt = await journal.begin(key, AT)
                seen.append((attempt.number, attempt.failed_before, attempt.asked))
                failure = Failure(failure_class=failure_class, message="no") if failure_class else None
                waiting = None if failure_class else Waiting(title="May it?")
                phase = "Failed" if failure else "Waiting"
                await journal.end(replace(attempt, ended_at=AT, failure=failure, waiting=waiting, phase=phase))
            last = await journal.begin(key, AT)
            return seen, last

    seen, last = go(main())
    assert seen == [(1, 0, None), (2, 1, None), (3, 1, None), (4, 1, None), (5, 2, None)]
    assert (last.number, last.failed_before, last.asked) == (6, 2, Waiting(title="May it?"))


def test_writes_of_one_turn_share_one_transaction_and_refused_ones_leave_the_others_alone(tmp_path, go, a_run):
    async def main():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
            await journal.begin(StepKey(key.run, "taken"), AT)
            before = journal.rows.version()
            keys = [StepKey(key.run, name) for name in ("b", "taken", "c", "d")]
            outcomes = await asyncio.gather(*(journal.begin(k, AT) for k in keys), return_exceptions=True)
            return outcomes, journal.rows.version() - before, journal.rows.attempts(key.run)

    outcomes, commits, attempts = go(main())
    assert [type(outcome).__name__ for outcome in outcomes] == ["Attempt", "AttemptHeld", "Attempt", "Attempt"]
    assert commits == 1
    assert [attempt.key.step for attempt in attempts] == ["taken", "b", "c", "d"]


def test_a_write_stands_even_when_its_task_was_cancelled(tmp_path, go, a_run):
    async def main():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
            task = asyncio.create_task(journal.record(None, result(key)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return task.cancelled(), await journal.record(None, result(key, phase="Cancelled"))

    cancelled, recorded = go(main())
    assert cancelled
    assert recorded.phase == "Succeeded"


def test_budgets_are_reserved_replaced_and_settled_over_attempts(tmp_path, go, a_run):
    budget = Budget(tokens=100, cost_micros=1_500_000, currency="USD")

    async def main():
        async with opened(tmp_path) as journal:
            a = await a_run(journal)
            b = StepKey(a.run, "b")
            budgets = [Account(a.run, "run", "run", budget)]
            await journal.reserve(a, Amounts(tokens=60), budgets)
            await journal.reserve(a, Amounts(tokens=90), budgets)
            with pytest.raises(
                BudgetExceeded, match="budget `run` allows 100 tokens, used so far: 90 tokens; `b` asked for 11 tokens"
            ):
                await journal.reserve(b, Amounts(tokens=11), budgets)
            attempt = await journal.begin(a, AT)
            await journal.end(replace(attempt, ended_at=AT, phase="Failed", spent=Amounts(tokens=20)))
            await journal.reserve(a, Amounts(tokens=70), budgets)
            attempt = await journal.begin(a, AT)
            await journal.end(replace(attempt, ended_at=AT, phase="Failed", spent=Amounts(tokens=30)))
            await journal.reserve(b, Amounts(tokens=50), budgets)
            with pytest.raises(BudgetExceeded, match="100 tokens, used so far: 100 tokens"):
                await journal.reserve(StepKey(a.run, "c"), Amounts(tokens=1), budgets)
            with pytest.raises(
                BudgetExceeded, match=r"allows 1\.50 USD, used so far: 0\.00 USD; `c` asked for 1\.500001 USD"
            ):
                await journal.reserve(StepKey(a.run, "c"), Amounts(cost_micros=1_500_001), budgets)

    go(main())


def test_two_runs_of_one_minute_get_different_ids(tmp_path, go, a_run):
    tokens = iter(["aaaa", "aaaa", "aaaa", "bbbb"])

    async def main():
        async with opened(tmp_path) as journal:
            return [(await a_run(journal, lambda: next(tokens))).run for _ in range(2)]

    assert go(main()) == ["r-20261124-0712-aaaa", "r-20261124-0712-bbbb"]


def test_an_unknown_run_is_a_key_error(tmp_path, go):
    async def main():
        async with opened(tmp_path) as journal:
            with pytest.raises(KeyError):
                await journal.run("r-1")

    go(main())


def test_a_newer_journal_is_refused_and_left_as_it_is(tmp_path, go):
    prepare(tmp_path)
    Journal(tmp_path).close()
    with sqlite3.connect(tmp_path / "journal.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(EngineError, match=r"newer SomaGent \(journal version 99"):
        Journal(tmp_path)


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 40, b"\0" * 8192])
def test_a_file_that_is_no_journal_is_called_damaged_with_a_way_out(tmp_path, content):
    prepare(tmp_path)
    (tmp_path / "journal.sqlite3").write_bytes(content)
    with pytest.raises(JournalDamaged, match=r"journal\.sqlite3"):
        Journal(tmp_path)
    assert (tmp_path / "journal.sqlite3").read_bytes() == content


def test_a_journal_whose_tables_have_names_that_are_no_text_is_called_damaged(tmp_path):
    prepare(tmp_path)
    Journal(tmp_path).close()
    path = tmp_path / "journal.sqlite3"
    damaged = (
        path.read_bytes().replace(b"tableleaselease", b"table" + b"\x9e" * 10).replace(b"TABLE lease", b"TXBLE lease")
    )
    path.write_bytes(damaged)
    with pytest.raises(JournalDamaged, match="what it says of its tables is no text"):
        Journal(tmp_path)


def test_somebody_elses_database_is_not_written_to(tmp_path):
    prepare(tmp_path)
    with sqlite3.connect(tmp_path / "journal.sqlite3") as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    with pytest.raises(JournalDamaged, match="is not a SomaGent journal"):
        Journal(tmp_path)


@pytest.mark.parametrize("where", ["page", "end", "row"])
def test_damage_found_while_reading_is_said(tmp_path, go, a_run, where):
    async def fill():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
            for number in range(300):
                await journal.record(None, result(StepKey(key.run, f"s{number:03d}"), outputs={"t": "x" * 200}))
            return key

    key = go(fill())
    path = tmp_path / "journal.sqlite3"
    content = bytearray(path.read_bytes())
    if where == "page":
        for page in range(4, len(content) // 4096):
            content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    elif where == "end":
        del content[len(content) // 2 :]
    else:
        content = content.replace(b'"phase":"Succeeded"', b'"phase":"Succeedef"')
    path.write_bytes(content)

    async def read():
        async with opened(tmp_path) as journal:
            journal.rows.results(key.run)

    said = f"a record of run {key.run} that this SomaGent cannot read .*keep the journal"
    with pytest.raises(JournalDamaged, match=said if where == "row" else "is damaged"):
        go(read())


@pytest.mark.parametrize("trace", ["logs", "contents"])
def test_a_journal_that_was_emptied_is_no_new_one(tmp_path, trace):
    prepare(tmp_path)
    Journal(tmp_path).close()
    (tmp_path / "journal.sqlite3").write_bytes(b"")
    (tmp_path / trace).mkdir(exist_ok=True)
    engine = LocalEngine(tmp_path, {})
    for look in (engine.runs, lambda: engine.view("r-1"), lambda: Journal(tmp_path)):
        with pytest.raises(JournalDamaged, match=r"it is empty, although there were runs here.*mv "):
            look()
    assert (tmp_path / "journal.sqlite3").read_bytes() == b""


def test_a_folder_where_the_journal_should_be_is_called_one(tmp_path):
    (tmp_path / "journal.sqlite3").mkdir()
    engine = LocalEngine(tmp_path, {})
    for look in (engine.runs, lambda: engine.view("r-1"), lambda: Journal(tmp_path)):
        with pytest.raises(EngineError, match=r"journal\.sqlite3 is a folder, not a journal; move it away"):
            look()


def test_time_in_rows_keeps_its_zone(tmp_path, go, a_run):
    async def main():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
            ended = AT + timedelta(microseconds=1)
            await journal.record(None, result(key, ended_at=ended))
            return journal.rows.result(key).ended_at

    assert go(main()) == AT + timedelta(microseconds=1)


BUDGETS_OF_VERSION_1 = """
CREATE TABLE budgets (run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL, budget TEXT NOT NULL,
    open INTEGER NOT NULL, reserved_tokens INTEGER NOT NULL, reserved_cost INTEGER NOT NULL,
    spent_tokens INTEGER NOT NULL, spent_cost INTEGER NOT NULL, PRIMARY KEY (run, step, item, budget)) WITHOUT ROWID;
DROP TABLE accounts; DROP TABLE reservations; DROP TABLE spends; DROP TABLE children;
DROP TABLE audit; DROP INDEX runs_left;
PRAGMA user_version = 1;
"""


def test_a_journal_of_the_first_version_is_brought_up_to_date_by_whoever_opens_it(tmp_path, go, a_run):
    async def main():
        async with opened(tmp_path) as journal:
            key = await a_run(journal)
        with closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as db:
            db.executescript(BUDGETS_OF_VERSION_1)
            rows = [("a", 0, 0, 5), ("b", 1, 4, 2)]
            for step, still_open, reserved, spent in rows:
                row = (key.run, step, -1, "run", still_open, reserved, 0, spent, 0)
                db.execute("INSERT INTO budgets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.commit()
        with closing(Rows(tmp_path)) as reader:
            assert reader._ask("SELECT * FROM accounts", ()) == [(key.run, "run", 4, 0, 7, 0)]
            assert reader._ask("SELECT step, tokens FROM reservations", ()) == [("b", 4)]
        async with opened(tmp_path) as journal:
            limit = [Account(key.run, "run", "run", Budget(tokens=12))]
            with pytest.raises(BudgetExceeded, match="used so far: 11 tokens"):
                await journal.reserve(StepKey(key.run, "c"), Amounts(tokens=2), limit)
            await journal.reserve(StepKey(key.run, "b"), Amounts(tokens=5), limit)

    go(main())


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL])
def test_a_journal_that_a_stopped_process_keeps_locked_is_not_called_damaged(tmp_path, code):
    """Nobody may be told to move a journal away that is whole."""
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode = code
    said = translated(error, tmp_path / "journal.sqlite3")
    assert not isinstance(said, JournalDamaged)
    assert "is locked: another process has been writing to it for too long; try again" in str(said)
