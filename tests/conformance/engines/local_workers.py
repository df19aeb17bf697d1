"""Processes that work on runs until they are killed: a line of JSON begins one, an empty line waits for its end.

Both are answered with the id of the process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from databases import store_for

from somagent.operators.runner.secrets import VARIABLE
from somagent.workflows.engines.clock import Clock, utc_now
from somagent.workflows.engines.local import LocalEngine

from ..cases import installation


def main() -> None:
    installation()  # before anything is forked
    worker = 0
    for line in sys.stdin:
        if line.strip():
            worker = os.fork()
            if worker == 0:
                asyncio.run(work(json.loads(line)))
                os._exit(0)
        else:
            os.waitpid(worker, 0)
        sys.stdout.write(f"{worker}\n")
        sys.stdout.flush()


async def work(order: dict[str, Any]) -> None:
    os.environ[VARIABLE] = order["secrets"]
    ahead = timedelta(seconds=order["ahead"])
    clock = Clock(lambda: utc_now() + ahead, time.monotonic, asyncio.sleep)
    directory, operators = Path(order["directory"]), installation().operators
    more = {"clock": clock, "parallel": order["parallel"], "store": store_for(directory)}
    async with LocalEngine(directory, operators, **more) as engine:
        await engine.run(order["run"])


if __name__ == "__main__":
    main()
