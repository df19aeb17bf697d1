"""Where the rows of runs are kept: in the data directory, or in a database that several workers share."""

from __future__ import annotations

import os
from pathlib import Path

from somagent.workflows.engines.local.sqlite import SqliteStore
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.protocol import EngineError


def store_named(given: str | None) -> str:
    """The address of the database that was given, else `$SOMAGENT_STORE`; empty for the data directory."""
    return given or os.environ.get("SOMAGENT_STORE", "")


def open_store(directory: Path, url: str) -> Store:
    """The store of a data directory, in the database at `url` when there is one; raises `EngineError`."""
    directory = directory.absolute()
    if not url:
        return SqliteStore(directory)
    if not url.startswith(("postgresql://", "postgres://")):
        raise EngineError(f"`{url}` is no address of a store; write `postgresql://USER@HOST/DATABASE`")
    from somagent.workflows.engines.local.postgres import PostgresStore  # noqa: PLC0415  60 ms, and an extra

    return PostgresStore(url, directory)
