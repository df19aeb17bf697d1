"""A store that does not answer is waited for, and whoever waits is told so, once, whether it refuses or is silent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing

ASKS = """\
import asyncio, os
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.protocol import StoreUnreachable

bucket = Bucket("s3://runs/acme", patience_s=4, says=lambda text: print(text, flush=True))
for _ in range(2):
    try:
        asyncio.run(bucket.read("a"))
    except StoreUnreachable as error:
        print(error, flush=True)
os._exit(0)
"""
TOLD = "s3://runs/acme does not answer yet; it is waited for, 4 s at most\n"


def asking(port: int) -> subprocess.Popen[str]:
    """A process that asks a store there, twice."""
    store = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    asks = [sys.executable, "-c", ASKS]
    return subprocess.Popen(asks, env={**os.environ, **store}, stdout=subprocess.PIPE, text=True)


def test_a_store_that_has_never_answered_is_said_to_be_waited_for() -> None:
    with asking(1) as process:
        assert process.stdout is not None
        told, *errors = process.stdout
    assert told == TOLD
    assert ["has not answered for 4 s" in one for one in errors] == [True, True]


def test_one_that_takes_calls_and_is_silent_is_said_to_be_waited_for_while_the_first_call_lasts() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, asking(silent.getsockname()[1]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == TOLD
        process.kill()
