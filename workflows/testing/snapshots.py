"""A run's record kept beside its test, without what differs from run to run, to be compared with the next one."""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path
from typing import Any

import msgspec

from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.testing.model import Case
from somagent.workflows.testing.reading import TestFile, slug

FOLDER = "__snapshots__"


def snapshot_path(file: TestFile, case: Case) -> Path:
    """`__snapshots__/FILE/CASE.json` beside the file of tests."""
    return file.text.path.parent / FOLDER / file.text.path.stem / f"{slug(case.name)}.json"


def left_snapshots(file: TestFile) -> list[Path]:
    """The kept records that no case of the file is compared with any more."""
    wanted = {snapshot_path(file, case) for case in file.cases if case.expect.snapshot}
    return sorted({*(file.text.path.parent / FOLDER / file.text.path.stem).glob("*.json")} - wanted)


def compare_snapshot(
    file: TestFile, case: Case, view: RunView, folder: str, *, update: bool
) -> tuple[str, str, str] | None:
    """What differs, what was kept and what came now; writes it instead with `update`. Raises `OSError`."""
    path, now = snapshot_path(file, case), snapshot(view, folder)
    kept = path.read_text(encoding="utf-8") if path.exists() else None
    if kept == now:
        return None
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(now, encoding="utf-8")
        return None
    if kept is None:
        return ("snapshot", f"the record in {path}", "it is not there; `--update-snapshots` writes it")
    lines = unified_diff(kept.splitlines(), now.splitlines(), "kept", "now", lineterm="", n=1)
    return ("snapshot", f"the record in {path}", "\n".join(lines))


def snapshot(view: RunView, folder: str) -> str:
    """The record of a run as JSON text. Times are left out; its id and start, and `folder`, have names."""
    names = {view.run.id: "<run>", folder: "<folder>"}
    for at in (view.started_at, view.run.created_at):
        if at is not None:
            names[at.strftime("%Y-%m-%dT%H:%M:%SZ")] = "<start>"

    def plain(text: str) -> str:
        for name, word in names.items():
            text = text.replace(name, word)
        return text

    record = {
        "phase": view.phase,
        "outputs": view.outputs,
        "failure": view.failure,
        "steps": {step.id: _step(step) for step in view.steps},
    }
    shown = _mapped(msgspec.to_builtins({name: value for name, value in record.items() if value is not None}), plain)
    return json.dumps(shown, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _step(step: StepView) -> dict[str, Any]:
    shown: dict[str, Any] = {"phase": step.phase, "attempts": step.attempts}
    if step.outputs:
        shown["outputs"] = step.outputs
    if step.failure is not None and step.phase not in {"Succeeded", "Skipped"}:
        shown["failure"] = {"class": step.failure.failure_class, "message": step.failure.message}
    if step.verdict is not None:
        shown["verdict"] = step.verdict.effect
    if step.waiting is not None and step.phase == "Waiting":
        shown["waiting"] = step.waiting.title
    if step.items:
        shown["items"] = [_step(item) for item in step.items]
    if step.inner is not None:
        shown["inside"] = {one.id: _step(one) for one in step.inner.steps}
    return shown


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(part, change) for part in value]
    if isinstance(value, dict):
        return {change(name): _mapped(part, change) for name, part in value.items()}
    return value
