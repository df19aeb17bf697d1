# ruff: noqa: PLR0917 -- what others do in a database has no event; a test names the fixtures it uses
"""Several workers on one PostgreSQL: each run is one worker's, and who lost its place writes nothing more.

The whole engine suite runs on it with `make test-postgres`; this is what only a shared store has.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from somagent_shell import HEAD, Shell

import somagent
from somagent.workflows.engines.local.postgres import PostgresStore
from somagent.workflows.engines.local.reading import opened

Wait = Callable[[Callable[[], bool]], None]
Serve = Callable[[str], subprocess.Popen[str]]
NAP = """\
  steps:
    nap:
      script: { run: 'echo "$SOMAGENT_ATTEMPT" >> "$M"; [ "$SOMAGENT_ATTEMPT" = 2 ] || sleep 60', env: { M: MARK } }
"""
QUICK = "  steps:\n    a: { script: { run: 'echo \"$SOMAGENT_IDEMPOTENCY_KEY\" >> MARK' } }\n"
SLOW = """\
  steps:
    a: { script: { run: 'echo "$SOMAGENT_ATTEMPT" >> "$M"; sleep 2', env: { M: MARK } } }
    b: { needs: [a], script: { run: "true" } }
"""
GATE = "  steps:\n    ask: { review: { title: 'Go on?' } }\n    a: { needs: [ask], script: { run: 'true' } }\n"


def test_workers_share_the_runs_and_each_run_is_one_workers(
    somagent: Shell, store: str, serve: Serve, said: Callable[[str], str], wait_until: Wait
) -> None:
    mark = somagent.folder / "mark"
    name = somagent.capsule("quick", QUICK.replace("MARK", str(mark)))
    first = somagent("run", name, "--store", store)  # alone: it works itself
    assert (first.code, first.err) == (0, "")
    serve("one")
    serve("two")
    wait_until(lambda: "works in" in said("one") and "works in" in said("two"))
    last = somagent("run", name, "--detach", "--store", store, "--output", "json").json["id"]
    for _ in range(5):
        somagent("rerun", last, "--detach", "--store", store)
    wait_until(lambda: (said("one") + said("two")).count("Succeeded") == 6)
    keys = mark.read_text().split()
    assert len(keys) == len(set(keys)) == 7
    runs = somagent("runs", "--store", store, "--output", "json").json
    assert {run["phase"] for run in runs} == {"Succeeded"}
    assert not (somagent.folder / ".somagent" / "journal.sqlite3").exists()


def test_a_decision_wakes_a_parked_run_and_the_audit_log_holds(
    somagent: Shell, store: str, serve: Serve, said: Callable[[str], str], wait_until: Wait
) -> None:
    serve("one")
    wait_until(lambda: "works in" in said("one"))
    parked = somagent("run", somagent.capsule("gate", GATE), "--store", store, "--output", "json")
    assert (parked.code, parked.json["phase"]) == (3, "Waiting")
    approved = somagent("approve", "last", "ask", "--as", "bo", SOMAGENT_STORE=store)
    assert (approved.code, approved.out.endswith(" goes on\n")) == (0, True)
    wait_until(lambda: f"{parked.json['id']} Succeeded" in said("one"))
    assert somagent("audit", "verify", "--store", store).code == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_runs_of_a_worker_that_is_killed_or_stopped_are_another_ones(
    somagent: Shell, store: str, serve: Serve, said: Callable[[str], str], wait_until: Wait, number: signal.Signals
) -> None:
    mark = somagent.folder / "mark"
    first = serve("one")
    wait_until(lambda: "works in" in said("one"))
    name = somagent.capsule("nap", NAP.replace("MARK", str(mark)))
    run = somagent("run", name, "--detach", "--store", store, "--output", "json").json["id"]
    wait_until(mark.exists)
    serve("two")
    wait_until(lambda: "works in" in said("two"))
    first.send_signal(number)
    gone = time.monotonic()
    wait_until(lambda: "goes on" in said("two"))
    assert time.monotonic() - gone < 2 + (number == signal.SIGSTOP)  # two seconds, after the lease of one
    wait_until(lambda: f"{run} Succeeded" in said("two"))
    before = somagent("show", run, "--store", store, "--output", "json").json
    if number == signal.SIGSTOP:
        first.send_signal(signal.SIGCONT)
        wait_until(lambda: "another process took over" in said("one"))
        assert said("one").count("works in") >= 1
    assert somagent("show", run, "--store", store, "--output", "json").json == before
    assert (before["steps"]["nap"]["attempts"], mark.read_text()) == (2, "1\n2\n")


def test_the_runs_of_a_dead_worker_were_at_work_until_its_last_sign_whenever_each_is_gone_on_with(
    somagent: Shell, store: str, serve: Serve, said: Callable[[str], str], wait_until: Wait
) -> None:
    worker = serve("one")
    wait_until(lambda: "works in" in said("one"))
    marks = [somagent.folder / name for name in ("first", "second")]
    capsules = [somagent.capsule(one.name, NAP.replace("MARK", str(one))) for one in marks]
    runs = [somagent("run", one, "--detach", "--store", store, "--output", "json").json["id"] for one in capsules]
    wait_until(lambda: all(one.exists() for one in marks))
    killed = datetime.now(UTC)
    worker.kill()
    worker.wait()
    for run in runs:  # who goes on with the first one removes the worker
        assert somagent("resume", run, "--store", store).code == 0
    with opened(PostgresStore(store, somagent.folder / ".somagent")) as rows:
        attempts = [rows.attempts(run) for run in runs]
    assert [[one.failure and one.failure.failure_class for one in tries] for tries in attempts] == [
        ["cut_off", None]
    ] * 2
    assert [tries[0].started_at <= tries[0].ended_at <= killed for tries in attempts] == [True, True]


def test_a_store_that_is_not_there_or_none_is_named(somagent: Shell, tmp_path: Path) -> None:
    name = somagent.capsule("quick", QUICK.replace("MARK", str(tmp_path / "mark")))
    none = somagent("runs", "--store", "redis://localhost")
    assert (none.code, none.err.startswith("error: `redis://localhost` is no address of a store")) == (2, True)
    away = somagent("run", name, "--store", f"postgresql://ana:secret@/none?host={tmp_path}")
    assert away.code == 5
    assert away.err.startswith(f"error: cannot reach postgresql://ana@/none?host={tmp_path}: ")
    assert "secret" not in away.err


def test_a_newer_store_is_refused_and_left_as_it_is(somagent: Shell, store: str, tmp_path: Path) -> None:
    name = somagent.capsule("quick", QUICK.replace("MARK", str(tmp_path / "mark")))
    assert somagent("run", name, "--store", store).code == 0
    with psycopg.connect(store, autocommit=True) as db:
        db.execute("UPDATE store SET version = 99")
    refused = somagent("run", name, "--store", store)
    assert (refused.code, "was written by a newer SomaGent (version 99," in refused.err) == (2, True)


def test_a_program_runs_and_goes_on_with_runs_that_are_kept_there(store: str, tmp_path: Path) -> None:
    capsule = tmp_path / "asked.capsule.yaml"
    capsule.write_text(HEAD.replace("NAME", "asked") + GATE)
    with somagent.Runs(tmp_path / "runs", store=store) as runs:
        run = runs.start(capsule, submitter="ana")
        assert [event.kind for event in run] == ["attempt", "waiting", "run"]
        run.approve("ask", by="bo")
        assert (run.result().phase, [one.id for one in runs.list()]) == ("Succeeded", [run.id])
    with pytest.raises(somagent.EngineError, match="is no address of a store"):
        somagent.Runs(tmp_path, store="mysql://x").list()


def test_a_due_date_is_kept_by_another_worker_than_the_one_that_asked(
    somagent: Shell, store: str, serve: Serve, said: Callable[[str], str], wait_until: Wait
) -> None:
    ask = "  steps:\n    ask: { review: { title: 'Now?', due: 4s, onTimeout: approve } }\n"
    workers = {name: serve(name) for name in ("one", "two")}
    wait_until(lambda: all("works in" in said(name) for name in workers))
    run = somagent("run", somagent.capsule("due", ask), "--detach", "--store", store, "--output", "json").json["id"]
    asked = f"{run} Waiting for people: ask"
    wait_until(lambda: asked in said("one") + said("two"))
    by, other = ("one", "two") if asked in said("one") else ("two", "one")
    workers[by].kill()
    wait_until(lambda: f"{run} Succeeded" in said(other))


def test_a_database_that_keeps_a_worker_waiting_costs_it_no_run(
    somagent: Shell, store: str, serve: Serve, said: Callable[[str], str], wait_until: Wait
) -> None:
    """Reads stop all else that a worker does; its signs of life come from a thread and a session of their own."""
    mark = somagent.folder / "mark"
    serve("one")
    wait_until(lambda: "works in" in said("one"))
    name = somagent.capsule("slow", SLOW.replace("MARK", str(mark)))
    run = somagent("run", name, "--detach", "--store", store, "--output", "json").json["id"]
    wait_until(mark.exists)
    serve("two")
    wait_until(lambda: "works in" in said("two"))
    with psycopg.connect(store) as db:  # three leases long, nobody reads or writes a run
        db.execute("LOCK TABLE runs, attempts, results, decisions IN ACCESS EXCLUSIVE MODE")
        db.execute("SELECT pg_sleep(3)")
    wait_until(lambda: f"{run} Succeeded" in said("one"))
    assert "took over" not in said("one") + said("two")
    assert mark.read_text() == "1\n"


def test_a_worker_tries_again_when_the_database_was_locked_for_too_long(
    somagent: Shell, store: str, serve: Serve, said: Callable[[str], str], wait_until: Wait
) -> None:
    mark = somagent.folder / "mark"
    name = somagent.capsule("slow", SLOW.replace("MARK", str(mark)))
    process = serve("one")
    wait_until(lambda: "works in" in said("one"))
    run = somagent("run", name, "--detach", "--store", store, "--output", "json").json["id"]
    wait_until(mark.exists)
    with psycopg.connect(store) as db:
        db.execute("LOCK TABLE runs, attempts, results IN ACCESS EXCLUSIVE MODE")
        db.execute("SELECT pg_sleep(11)")
    wait_until(lambda: "is locked: " in said("one") and "tries again in 5 s" in said("one"))
    wait_until(lambda: f"{run} Succeeded" in said("one"))
    assert process.poll() is None
