"""A store that does not answer is waited for, and whoever waits is told so, once."""

from __future__ import annotations

import asyncio

import pytest

from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.protocol import StoreUnreachable


def test_a_store_that_has_never_answered_is_said_to_be_waited_for(monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    said: list[str] = []
    bucket = Bucket("s3://runs/acme", patience_s=4, says=said.append)
    for _ in range(2):
        with pytest.raises(StoreUnreachable, match="has not answered for 4 s"):
            asyncio.run(bucket.read("a"))
    (told,) = said
    assert told.startswith("s3://runs/acme does not answer (")
    assert told.endswith("); waiting, 4 s at most")
