"""Files come and go through a slow network too, however long it takes: only silence is a store that does not answer."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from slow_network import slow_network
from surroundings import surrounded_by

from somagent.operators.runner.threads import in_thread
from somagent.workflows.engines.objects.bucket import Bucket

PATIENCE_S = 4.0  # much less than a file takes


@pytest.fixture
def server() -> tuple[str, int]:
    """Where the object store is; see `conftest` for what the environment names."""
    there = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    return there.hostname or "", there.port or 80


@pytest.fixture
def bucket() -> Bucket:
    """With a way of its own."""
    return Bucket(f"{os.environ['OBJECTS']}/{os.urandom(4).hex()}", patience_s=PATIENCE_S)


def test_a_file_that_takes_longer_than_a_request_may_last_comes_and_goes_whole(
    server: tuple[str, int], bucket: Bucket, tmp_path: Path
) -> None:
    made, came = tmp_path / "made", tmp_path / "came"
    made.write_bytes(os.urandom(16_000_000))
    with slow_network(*server, rate=1_000_000) as port, surrounded_by(AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}"):
        slow = Bucket(bucket.address, patience_s=PATIENCE_S)  # the same by another way
        began = time.monotonic()
        slow.store_from("contents/a", made)
        assert time.monotonic() - began > 12
        assert slow.fetch_to("contents/a", came)
    assert came.read_bytes() == made.read_bytes()


def test_a_file_goes_on_where_it_broke_off(server: tuple[str, int], bucket: Bucket, tmp_path: Path) -> None:
    made, came = tmp_path / "made", tmp_path / "came"
    made.write_bytes(os.urandom(4_000_000))
    bucket.store_from("contents/a", made)
    network = slow_network(*server, rate=500_000, lasts_s=2.5)  # it breaks off three times, and lasts 8 s
    with network as port, surrounded_by(AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}"):
        slow = Bucket(bucket.address, patience_s=PATIENCE_S)
        assert slow.fetch_to("contents/a", came)
        assert not slow.fetch_to("contents/b", tmp_path / "none")
    assert came.read_bytes() == made.read_bytes()
    assert not (tmp_path / "none").exists()


def test_a_file_for_which_nobody_waits_any_more_stops_on_its_way(
    server: tuple[str, int], bucket: Bucket, tmp_path: Path
) -> None:
    made, came = tmp_path / "made", tmp_path / "came"
    made.write_bytes(os.urandom(24_000_000))  # 24 s, each way
    bucket.store_from("contents/a", made)

    async def cut_off(slow: Bucket) -> tuple[float, float]:
        took = []
        for work in (partial(slow.fetch_to, "contents/a", came), partial(slow.store_from, "contents/b", made)):
            began = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await in_thread(work)
            took.append(time.monotonic() - began)
        return took[0], took[1]

    with slow_network(*server, rate=1_000_000) as port, surrounded_by(AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}"):
        fetched_s, stored_s = asyncio.run(cut_off(Bucket(bucket.address, patience_s=PATIENCE_S)))
        time.sleep(1)  # for what was on its way
    assert fetched_s < 5
    assert stored_s < 18  # the parts that were on their way
    assert not came.exists()
    assert asyncio.run(bucket.read("contents/b")) is None
