"""A process that runs a capsule and, when told so, dies at a named crash point: `work.py DIRECTORY PLAN [OPTIONS]`.

Prints the run's id, and at the end its phase. `--run ID` goes on with a run, else one is submitted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from small_operators import OPERATORS

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
from databases import store_for

from somagent.capsule_compiler.plan import decode_plan
from somagent.operators.script import OPERATOR as SCRIPT
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.protocol import EngineError


def main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs tests in the background ignores it
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--run")
    parser.add_argument("--die-at", default="", help="POINT:COUNT")
    parser.add_argument("--file-limit", type=int, help="no file may grow beyond so many bytes")
    parser.add_argument("--lease-s", type=float, default=10.0, help="how long its lease lasts without a sign")
    arguments = parser.parse_args()
    if arguments.file_limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_limit, arguments.file_limit))
    try:
        asyncio.run(work(arguments))
    except EngineError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    return 0


async def work(arguments: argparse.Namespace) -> None:
    point, _, count = arguments.die_at.partition(":")
    left = int(count or 0)

    def crash(reached: str) -> None:
        nonlocal left
        if reached == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    operators = OPERATORS | {"script": SCRIPT}
    async with LocalEngine(
        arguments.directory,
        operators,
        crash=crash,
        lease_s=arguments.lease_s,
        store=store_for(arguments.directory),
    ) as engine:
        run = arguments.run or await engine.submit(
            decode_plan(arguments.plan.read_bytes()), {}, submitter="ada", files={}
        )
        print(run, flush=True)
        print((await engine.run(run)).phase, flush=True)


if __name__ == "__main__":
    sys.exit(main())
