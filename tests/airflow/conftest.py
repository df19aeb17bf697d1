"""A real Airflow, shared by all tests; each has a bucket of its own, and DAGs are told apart by their plans."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow_servers import Airflow, airflow_program
from airflow_site import Site
from databases import Server

NARROW = {"CORE__MAX_ACTIVE_RUNS_PER_DAG": "1", "CORE__MAX_MAP_LENGTH": "3"}  # by default 16 and 1,024


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """At the PostgreSQL that $DATABASE_URL names, else at one of its own."""
    program = airflow_program()
    if program is None:
        pytest.skip("needs an Airflow: make airflow, or name its command in AIRFLOW")
    with contextlib.ExitStack() as stack:
        database = os.environ.get("DATABASE_URL") or stack.enter_context(contextlib.closing(Server())).address
        server = Airflow(program, database, tmp_path_factory.mktemp("airflow") / "dags", **NARROW)
        with contextlib.closing(server):
            yield server


@pytest.fixture
def site(airflow: Airflow, tmp_path: Path) -> Iterator[Site]:
    """An engine there; whatever a test leaves at work is stopped."""
    site = Site(airflow, tmp_path)
    yield site
    asyncio.run(site.leave())
