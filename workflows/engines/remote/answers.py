"""What the program tells the engine that started it: a few words each, in files or one file. No value is among them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from somagent.operators.runner.records import Attempt, Failure, Phase, RunRecord, StepResult, Waiting
from somagent.workflows.engines.remote.exits import Exit

_SUMMARY_BYTES = 1024
_WORST: tuple[Phase, ...] = ("Failed", "Cancelled", "Omitted")


def asked_of(asked: Waiting) -> str:
    """Who is asked what."""
    who = ", ".join([*asked.users, *asked.groups]) or "somebody"
    return f"{who} ({asked.count}): {asked.title}"


class Answers:
    """Writes into a folder, and why something did not go well into a file; nowhere when there is none.

    The file `message` gets all answers as JSON, of `items` the number: less than the 4 KiB that Kubernetes keeps of it.
    """

    def __init__(self, folder: Path | None, reason: Path | None = None, message: Path | None = None) -> None:
        self._folder, self._reason, self._message = folder, reason, message
        self._told: dict[str, str | int] = {}

    def result(self, result: StepResult) -> Phase:
        """How a step ended."""
        said = result.failure.message if result.failure is not None else ""
        self._write(phase=result.phase, summary=f"{result.phase}: {said}" if said else result.phase, items="[]")
        self.why(said)
        return result.phase

    def results(self, results: Sequence[StepResult]) -> Phase:
        """How several steps ended; the worst of it is the phase."""
        said = [f"{one.key.step} {one.phase}" for one in results]
        failed = [f"{one.key.step}: {one.failure.message}" for one in results if one.failure is not None]
        phases = {one.phase for one in results}
        worst: Phase = next((phase for phase in _WORST if phase in phases), "Succeeded")
        self._write(phase=worst, summary="; ".join([*said, *failed]))
        self.why("; ".join(failed))
        return worst

    def opened(self, items: int) -> Exit:
        """The fan-out has so many items."""
        self._write(phase="Running", summary=f"{items} items", items=json.dumps(list(range(items))))
        return Exit.DONE

    def opened_run(self, run: RunRecord) -> Exit:
        """The step's capsule has a run, whose steps are next."""
        self._write(phase="Running", summary=f"capsule {run.capsule}: {run.id}", run=run.id)
        return Exit.DONE

    def left_inside(self, runs: Sequence[str]) -> Exit:
        """Runs of a capsule have not ended."""
        self._write(phase="Succeeded", summary=f"{len(runs)} to end", items=json.dumps(runs))
        return Exit.DONE

    def left(self, attempt: Attempt, now: datetime) -> Exit:
        """An attempt that left no result."""
        if attempt.waiting is None:
            why = attempt.failure.message if attempt.failure is not None else ""
            self._write(phase="Pending", summary=f"attempt {attempt.number} failed and is tried again: {why}")
            self.why(f"attempt {attempt.number} is tried again: {why}")
            return Exit.AGAIN
        return self.waits(attempt.waiting, now)

    def waits(self, asked: Waiting, now: datetime) -> Exit:
        """People are asked, and nothing goes on before."""
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

    def failed(self, failure: Failure) -> None:
        """The step went well, and the run does not."""
        self._write(phase="Failed", summary=f"the run failed: {failure.message}")
        self.why(failure.message)

    def why(self, text: str) -> None:
        """The reason; a few words, as it stands where people see the exit code."""
        if self._reason is not None and text:
            self._reason.write_bytes(_short(text))
        if text and not self._told:
            self._tell(summary=text)

    def _write(self, **answers: str) -> None:
        counted = {"items": len(json.loads(answers["items"]))} if "items" in answers else {}
        self._tell(**(answers | counted))
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, text in answers.items():
            (self._folder / name).write_bytes(_short(text) if name == "summary" else text.encode())

    def _tell(self, **answers: str | int) -> None:
        if self._message is None:
            return
        line = "".join(char if char.isprintable() else " " for char in str(answers.get("summary", "")))
        self._told |= answers | {"summary": _short(line).decode()}
        self._message.write_text(json.dumps(self._told, ensure_ascii=False), encoding="utf-8")


def _short(text: str) -> bytes:
    content = text.encode(errors="backslashreplace")
    if len(content) > _SUMMARY_BYTES:
        content = content[: _SUMMARY_BYTES - 3].decode(errors="ignore").encode() + b"..."
    return content
