"""`somagent serve --engine`: a process that stays, and works on whatever is submitted in the data directory."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from argparse import Namespace
from datetime import UTC, datetime

from somagent.cli.compiling import installed
from somagent.cli.durations import seconds
from somagent.cli.exits import UserError
from somagent.cli.printing import visible
from somagent.cli.runs import open_local, store_of
from somagent.cli.streams import endure, kept_clean
from somagent.workflows.engines.local.worker import Worker
from somagent.workflows.telemetry import logs_as_json

_SHORTEST_LEASE_S = 1.0


def run(arguments: Namespace) -> int:
    """Exit 0 when it was told to stop, and has."""
    gc.enable()
    endure()
    operators = installed().operators
    grace_s, lease_s = seconds(arguments.grace, "--grace"), seconds(arguments.lease, "--lease")
    remind_s = seconds(arguments.remind, "--remind")
    if lease_s < _SHORTEST_LEASE_S:
        raise UserError(f"`--lease {arguments.lease}` is too short for a busy machine; from 1s on")

    async def main() -> None:
        worker = Worker(
            store_of(arguments),
            lambda: open_local(arguments, operators, lease_s=lease_s),
            _say,
            grace_s=grace_s,
            remind_s=remind_s,
        )
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)
        await worker.serve()

    with kept_clean():
        asyncio.run(main())
    return 0


def _say(line: str) -> None:
    if logs_as_json():
        from somagent.workflows.telemetry.json_lines import write_line  # noqa: PLC0415  for those who ask for it

        write_line("INFO", "somagent.worker", datetime.now(UTC), {"text": line})
        return
    sys.stderr.write(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}  {visible(line)}\n")
    sys.stderr.flush()
