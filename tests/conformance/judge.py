"""The judge: how a run looks from outside, as plain data, held against what a case expects, whole.

A case writes what is not ordinary; what is ordinary is filled in here, so that nothing goes unlooked at:

- a run is `Succeeded`, without outputs, failure and warnings; a step is `Succeeded` by one attempt, without outputs,
  under the verdict `audit` when it was tried, and spent nothing;
- `attempts` says how each attempt ended: `ok`, `waiting`, or a class of failure. A step that failed was tried once,
  and ended in its failure; a fan-out step and one taken over from another run have a number instead;
- `items: {PHASE: n}` counts them, where which of them are which is left to the engine; then `attempts` is given;
- `failure: CLASS` leaves the words open, `failure: {class, message}` does not;
- a text of more than 10,000 characters is shown by their number;
- an artifact is shown as its kind, name and size; its content is compared under `artifacts`;
- of an attempt at a step that is a capsule, an engine that leaves it open (`Adapter`) need not say `waiting` or
  `cut_off`, which is said of the steps inside, nor the verdict before it has ended;
- runs are called `RUN`, and when one goes on from another, `RUN1`, `RUN2`; a time in a text is `TIME`.
"""

from __future__ import annotations

import difflib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from somagent.operators.runner.artifacts import read_artifact
from somagent.operators.runner.records import NO_ITEM, Attempt, Decision, Failure, Waiting
from somagent.workflows.engines.protocol import Engine, RunView, StepView

from .adapter import Adapter

_LONGEST = 300  # characters of a line that are shown
_WHOLE = 10_000  # characters of a text that are compared one by one
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
_RUN = ("phase", "failure", "outputs", "warnings", "decisions", "retryOf", "steps")


def judge(expected: Mapping[str, Any], adapter: Adapter, run: str, runs: Sequence[str], folder: Path) -> None:
    """Raises `AssertionError` with both sides as YAML, line by line, when anything differs."""
    beside = {name: expected[name] for name in ("logs", "artifacts") if name in expected}
    wanted = _wanted_run({name: value for name, value in expected.items() if name not in beside}) | beside
    engine = adapter.engine
    view = engine.view(run)
    found = _run(view)
    if "logs" in beside:
        found["logs"] = {path: _logs(engine, view, path) for path in beside["logs"]}
    if "artifacts" in beside:
        found["artifacts"] = _artifacts(engine, run, folder)
    text = json.dumps(found)
    for number, name in enumerate(runs, start=1):
        text = text.replace(name, f"RUN{number}" if len(runs) > 1 else "RUN")
    found = json.loads(_TIME.sub("TIME", text))
    assert [one.id for one in engine.runs()] == [*reversed(runs)]
    _without_unasked(found, wanted)
    if adapter.leaves_capsules_open:
        _with_capsules_left_open(found)
        _with_capsules_left_open(wanted, wanted=True)
    if found != wanted:
        raise AssertionError("\n" + _difference(wanted, found))


def _run(view: RunView) -> dict[str, Any]:
    assert (view.ended_at is not None) == (view.phase in {"Succeeded", "Failed", "Cancelled"})
    assert view.held_by is None, "nobody is at work any more"
    found: dict[str, Any] = {"phase": view.phase, "steps": {step.id: _step(step) for step in view.steps}}
    found |= {"outputs": _shown(view.outputs)} if view.outputs else {}
    found |= {"failure": _failure(view.failure)} if view.failure is not None else {}
    found |= {"warnings": view.warnings} if view.warnings else {}
    found |= {"retryOf": view.run.retry_of} if view.run.retry_of else {}
    if view.decisions:
        said = {True: "approved", False: "rejected"}
        found["decisions"] = [f"{one.by} {said[one.approve]} {_own(one)}" for one in view.decisions]
    return _in_order(found)


def _own(decision: Decision) -> str:
    return decision.step if decision.item == NO_ITEM else f"{decision.step}/{decision.item}"


def _step(step: StepView) -> dict[str, Any]:
    found: dict[str, Any] = {"phase": step.phase, "attempts": [_ending(one) for one in step.history]}
    if step.items or (step.attempts and not step.history):
        found["attempts"] = step.attempts
    found |= {"outputs": _shown(step.outputs)} if step.outputs else {}
    found |= {"verdict": step.verdict.effect} if step.verdict is not None else {}
    found |= {"failure": _failure(step.failure)} if step.failure is not None else {}
    found |= {"waiting": _waiting(step.waiting)} if step.waiting is not None and step.phase == "Waiting" else {}
    found |= {"tokens": step.spent.tokens} if step.spent.tokens else {}
    found |= {"items": [_step(item) for item in step.items]} if step.items else {}
    found |= {"inside": _run(step.inner)} if step.inner is not None else {}
    return found


def _ending(attempt: Attempt) -> str:
    if attempt.failure is not None:
        return attempt.failure.failure_class
    return "waiting" if attempt.waiting is not None else {"Succeeded": "ok"}.get(attempt.phase, attempt.phase)


def _failure(failure: Failure) -> dict[str, str]:
    return {"class": failure.failure_class, "message": failure.message}


def _waiting(waiting: Waiting) -> dict[str, Any]:
    found: dict[str, Any] = {"title": waiting.title}
    found |= {"users": waiting.users} if waiting.users else {}
    found |= {"groups": waiting.groups} if waiting.groups else {}
    found |= {"count": waiting.count} if waiting.count > 1 else {}
    found |= {"show": waiting.show} if waiting.show else {}
    return found


def _logs(engine: Engine, view: RunView, path: str) -> list[str]:
    """What each attempt wrote of the step, or item of one (`STEP/ITEM`), in a run or (`STEP.STEP`) one inside it."""
    above, _, last = path.rpartition(".")
    step, _, item = last.partition("/")
    run = f"{view.run.id}.{above}" if above else view.run.id
    chunks = engine.logs(run, step)
    return [one.text for one in chunks if one.key.item == (int(item) if item else NO_ITEM)]


def _artifacts(engine: Engine, run: str, folder: Path) -> dict[str, Any]:
    """The content of every artifact by its name; of a folder, by the paths of its files."""
    found: dict[str, Any] = {}
    for name, artifact in engine.artifacts(run).items():
        with tempfile.TemporaryDirectory(dir=folder) as to:
            path = engine.fetch(artifact, Path(to))
            files = {one.relative_to(path).as_posix(): one.read_text() for one in path.rglob("*") if one.is_file()}
            found[name] = files if path.is_dir() else path.read_text()
    return found


def _wanted_run(given: Mapping[str, Any]) -> dict[str, Any]:
    """The expectation with what is ordinary filled in; raises `AssertionError` for a word that has no meaning."""
    assert given.keys() <= set(_RUN), f"unknown: {', '.join(given.keys() - set(_RUN))}"
    steps = {step: _wanted_step(one or {}) for step, one in given["steps"].items()}
    return _in_order({"phase": "Succeeded", **given, "steps": steps})


def _wanted_step(given: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {"phase": "Succeeded", **given}
    known = ("phase", "attempts", "outputs", "verdict", "failure", "waiting", "tokens", "items", "inside")
    assert wanted.keys() <= set(known), f"unknown: {', '.join(wanted.keys() - set(known))}"
    if isinstance(wanted.get("items"), list):
        wanted["items"] = [_wanted_step(item or {}) for item in wanted["items"]]
    if "inside" in wanted:
        wanted["inside"] = _wanted_run(wanted["inside"])
    if "attempts" not in wanted:
        wanted["attempts"] = _usual_attempts(wanted)
    if wanted.get("verdict", "audit") is None:
        del wanted["verdict"]
    elif wanted["phase"] in {"Succeeded", "Failed"} and wanted["attempts"]:
        wanted.setdefault("verdict", "audit")
    return {name: wanted[name] for name in known if name in wanted}


def _usual_attempts(wanted: Mapping[str, Any]) -> Any:
    if "items" in wanted:
        return sum(
            len(one["attempts"]) if isinstance(one["attempts"], list) else one["attempts"] for one in wanted["items"]
        )
    match wanted["phase"]:
        case "Succeeded":
            return ["ok"]
        case "Failed":
            failure = wanted["failure"]
            return [failure if isinstance(failure, str) else failure["class"]]
        case "Waiting":
            return ["waiting"]
    return []


def _without_unasked(found: Any, wanted: Any) -> None:
    """Takes the message out of what was found where the case names the class alone."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        if isinstance(wanted.get("failure"), str) and isinstance(found.get("failure"), dict):
            found["failure"] = found["failure"]["class"]
        if isinstance(wanted.get("items"), dict) and isinstance(found.get("items"), list):
            found["items"] = dict(Counter(one["phase"] for one in found["items"]))
        for name in found.keys() & wanted.keys():
            _without_unasked(found[name], wanted[name])
    elif isinstance(found, list) and isinstance(wanted, list):
        for one, other in zip(found, wanted, strict=False):
            _without_unasked(one, other)


def _with_capsules_left_open(run: dict[str, Any], *, wanted: bool = False) -> None:
    """Leaves out attempts at steps that are capsules that ended without a result: they are one with the next one."""
    for step in run["steps"].values():
        items = step["items"] if isinstance(step.get("items"), list) else []
        for one in (step, *items):
            if "inside" in one:
                if one["phase"] == "Waiting":
                    one.pop("verdict", None)
                ends = [end for end in one["attempts"] if end not in {"waiting", "cut_off"}]
                left_open = wanted and one["phase"] == "Cancelled" and one["attempts"] and not ends
                one["attempts"] = ["cancelled"] if left_open else ends
                _with_capsules_left_open(one["inside"], wanted=wanted)
        if any("inside" in one for one in items):
            step["attempts"] = sum(len(one["attempts"]) for one in items)


def _shown(value: Any) -> Any:
    artifact = read_artifact(value)
    if artifact is not None:
        return f"{artifact.kind} {artifact.name} ({artifact.size} bytes)"
    if isinstance(value, str) and len(value) > _WHOLE:
        return f"{len(value)} characters"
    if isinstance(value, dict):
        return {name: _shown(one) for name, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list) else value


def _in_order(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: run[name] for name in _RUN if name in run}


def _alike(side: Any) -> Any:
    """The order of outputs says nothing, and must not look like a difference."""
    if isinstance(side, list):
        return [_alike(one) for one in side]
    if not isinstance(side, dict):
        return side
    return {name: dict(sorted(one.items())) if name == "outputs" else _alike(one) for name, one in side.items()}


def _difference(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    sides = [yaml.safe_dump(_alike(side), sort_keys=False, width=1_000).splitlines() for side in (wanted, found)]
    lines = difflib.unified_diff(*sides, "expected", "found", lineterm="", n=8)
    return "\n".join(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in lines)
