"""A store that does not answer is waited for, and whoever waits is told so, once."""

from __future__ import annotations

import os
import subprocess
import sys

ASKS = """\
import asyncio
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.protocol import StoreUnreachable

bucket = Bucket("s3://runs/acme", patience_s=4, says=print)
for _ in range(2):
    try:
        asyncio.run(bucket.read("a"))
    except StoreUnreachable as error:
        print(error)
"""


def test_a_store_that_has_never_answered_is_said_to_be_waited_for() -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    asked = [sys.executable, "-c", ASKS]
    done = subprocess.run(asked, env={**os.environ, **nobody}, capture_output=True, text=True, check=True)
    told, *errors = done.stdout.splitlines()
    assert told.startswith("s3://runs/acme does not answer (")
    assert told.endswith("); waiting, 4 s at most")
    assert ["has not answered for 4 s" in one for one in errors] == [True, True]
