"""What is said while a command stops, when that takes longer than a moment: what it waits for, and how to end it."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress

from somagent.cli.elsewhere import Course
from somagent.cli.printing import visible
from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.named_steps import steps_of

_SOON_S = 0.5  # most scripts have ended by then, and nothing needs to be said
_MOST = 3


def say_when_it_takes_long(engine: OpenEngine, course: Course, number: signal.Signals) -> None:
    """Says it in a moment, unless the event loop has ended by then; `number` is the signal that stops the command."""
    asyncio.get_running_loop().call_later(_SOON_S, _say, engine, course, number)


def _say(engine: OpenEngine, course: Course, number: signal.Signals) -> None:
    if course.elsewhere or not course.run:
        return
    with suppress(EngineError):
        if not engine.is_here:
            who = engine.who_works(course.run)
            sys.stderr.write(f"stopping; waits for an answer of {visible(who)}\n")
            return
        steps = _at_work(engine, course.run)
        whom = f"waits for {steps} to end; " if steps else ""
        again = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
        sys.stderr.write(f"stopping; {visible(whom)}{again} kills what is at work\n")
        sys.stderr.flush()


def _at_work(engine: OpenEngine, run_id: str) -> str:
    """The steps and items at work, the first few by name; those inside a capsule, not its step."""
    running = [one for one in steps_of(engine.view(run_id)) if one.step.phase == "Running"]
    names = [one.name for one in running if not one.step.items and one.step.inner is None]
    more = f" and {len(names) - _MOST:,} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
