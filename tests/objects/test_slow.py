"""Files come and go through a slow network too, however long it takes: only silence is a store that does not answer."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from slow_network import slow_network
from surroundings import surrounded_by

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
