"""Runs of capsules in processes that may die: one trial a line on standard input, how it ended a line on output.

A trial is `{"directory", "plan": FILE, "run": ID or null, "die_at": POINT or "", "count": N}`. Each gets a process of
its own (forked before anything runs, so that a trial costs no start of Python) and dies by SIGKILL when the crash point
is reached for the N-th time. The answer is `{"run", "phase"}`, with phase `killed` then. Before it runs,
the run is approved (`"act": "signal"`), cancelled (`"cancel"`) or stopped while a step is at work (`"stop"`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from small_operators import OPERATORS

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
from databases import store_for

from somagent.capsule_compiler.plan import decode_plan
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.local import LocalEngine


def main() -> None:
    for line in sys.stdin:
        trial = json.loads(line)
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(readable)
            with os.fdopen(writable, "w") as said:
                asyncio.run(work(trial, Path(trial["plan"]).read_bytes(), said))
            os._exit(0)
        os.close(writable)
        with os.fdopen(readable) as heard:
            words = heard.read().split()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = {"run": words[0] if words else None, "phase": "killed" if killed else words[1]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


async def work(trial: dict[str, Any], plan: bytes, said: Any) -> None:
    left = trial["count"]

    def crash(reached: str) -> None:
        nonlocal left
        if reached == trial["die_at"]:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    directory = Path(trial["directory"])
    async with LocalEngine(directory, OPERATORS, crash=crash, parallel=3, store=store_for(directory)) as engine:
        run = trial["run"] or await engine.submit(decode_plan(plan), {}, submitter="ada", files={})
        said.write(f"{run}\n")
        said.flush()
        if trial["act"] == "signal":
            await engine.signal(run, Decision(step="gate", by="bob", approve=True, at=datetime.now(UTC)))
        elif trial["act"] == "cancel":
            await engine.cancel(run, by="bob")
        elif trial["act"] == "stop":
            work = asyncio.create_task(engine.run(run))
            async for event in engine.watch(run):
                if event.kind == "attempt":
                    work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        said.write((await engine.run(run)).phase)


if __name__ == "__main__":
    main()
