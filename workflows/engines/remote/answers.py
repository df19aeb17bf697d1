"""What the program tells the engine that started it: a few words each, a file each. No value is among them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from somagent.operators.runner.records import Attempt, Phase, RunRecord, StepResult, Waiting
from somagent.workflows.engines.remote.exits import Exit

_SUMMARY_BYTES = 1024
_WORST: tuple[Phase, ...] = ("Failed", "Cancelled", "Omitted")


def asked_of(asked: Waiting) -> str:
    """Who is asked what."""
    who = ", ".join([*asked.users, *asked.groups]) or "somebody"
    return f"{who} ({asked.count}): {asked.title}"


class Answers:
    """Writes into a folder, or nowhere when there is none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def result(self, result: StepResult) -> Phase:
        """How a step ended."""
        said = f": {result.failure.message}" if result.failure is not None else ""
        self._write(phase=result.phase, summary=f"{result.phase}{said}", items="[]")
        return result.phase

    def results(self, results: Sequence[StepResult]) -> Phase:
        """How several steps ended; the worst of it is the phase."""
        said = [f"{one.key.step} {one.phase}" for one in results]
        said += [f"{one.key.step}: {one.failure.message}" for one in results if one.failure is not None]
        phases = {one.phase for one in results}
        worst: Phase = next((phase for phase in _WORST if phase in phases), "Succeeded")
        self._write(phase=worst, summary="; ".join(said))
        return worst

    def opened(self, items: int) -> Exit:
        """The fan-out has so many items."""
        self._write(phase="Running", summary=f"{items} items", items=json.dumps(list(range(items))))
        return Exit.DONE

    def opened_run(self, run: RunRecord) -> Exit:
        """The step's capsule has a run, whose steps are next."""
        self._write(phase="Running", summary=f"capsule {run.capsule}: {run.id}", run=run.id)
        return Exit.DONE

    def left(self, attempt: Attempt, now: datetime) -> Exit:
        """An attempt that left no result."""
        if attempt.waiting is None:
            why = attempt.failure.message if attempt.failure is not None else ""
            self._write(phase="Pending", summary=f"attempt {attempt.number} failed and is tried again: {why}")
            return Exit.AGAIN
        asked = attempt.waiting
        left = (asked.due - now).total_seconds() if asked.due is not None else 0
        seconds = {"seconds": str(max(math.ceil(left), 1))} if asked.due is not None else {}
        self._write(phase="Waiting", summary=f"waiting for {asked_of(asked)}", **seconds)
        return Exit.DONE

    def begun(self, run_id: str) -> Exit:
        """The run is stored."""
        self._write(phase="Succeeded", summary=f"the run {run_id} has its inputs")
        return Exit.DONE

    def ended(self, phase: Phase) -> Phase:
        """How the run ended."""
        self._write(phase=phase, summary=f"the run ended: {phase}")
        return phase

    def _write(self, **answers: str) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, text in answers.items():
            content = text.encode(errors="backslashreplace")
            if name == "summary" and len(content) > _SUMMARY_BYTES:
                content = content[: _SUMMARY_BYTES - 3].decode(errors="ignore").encode() + b"..."
            (self._folder / name).write_bytes(content)
