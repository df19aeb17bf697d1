"""A backup of the tables is made by PostgreSQL's own program, which knows how; this only calls it, on one moment."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.protocol import EngineError

PROGRAM = "pg_dump"


def dump(db: Any, store: Store, target: Path) -> None:
    """Writes the tables as the transaction of `db` sees them into a new file, for `pg_restore`.

    Raises `EngineError`, also when there is no `pg_dump` here.
    """
    (schema,) = db.execute("SELECT current_schema()").fetchone()
    (snapshot,) = db.execute("SELECT pg_export_snapshot()").fetchone()
    # `public` is there already where it is restored, and would be made anew.
    chosen = "--table=public.*" if schema == "public" else f"--schema={schema}"
    command = [PROGRAM, "--format=custom", "--no-owner", chosen, f"--file={target}"]
    program = shutil.which(PROGRAM)
    if program is None:
        by_hand = shlex.join([*command[:-1], "--file=database.dump", store.where])
        raise EngineError(
            f"`{PROGRAM}` is not here, which makes backups of PostgreSQL; install PostgreSQL's client programs "
            f"(apt-get install postgresql-client), or call it where it is: {by_hand}; then copy {store.directory}"
        )
    done = subprocess.run(
        [program, *command[1:], f"--snapshot={snapshot}", f"--dbname={store.where}"],
        env={**os.environ, **_password(store)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        older = "version mismatch" in said
        way_out = f"; {program} is older than the database: have a newer one found first in PATH" if older else ""
        raise EngineError(f"`{PROGRAM}` made no backup of {store.where}: {said}{way_out}")


def _password(store: Any) -> dict[str, str]:
    """In a variable, since others see the arguments of a program."""
    parts = urlsplit(store.url)
    found = [unquote(parts.password)] if parts.password else parse_qs(parts.query).get("password", [])
    return {"PGPASSWORD": found[0]} if found else {}
