"""What is done while the disk fails: a run, a decision, a cancellation, a retry, pruning; and what must come of it.

Each deed is prepared on a disk that works, then done on one that does not, and then gone on with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from commands import Commands, Ended
from graphs import HEAD, SCRIPT, Gate, Graph, Want, marks_in

PARALLEL = ("--parallel", "2")
_TEXT = {"value": {"type": "string"}}
# What fails once is tried again.
_AGAIN = {"attempts": 3, "backoff": "20ms", "failures": ["transient", "error"]}


class Deed(NamedTuple):
    """One of the commands that write."""

    graph: Callable[[str], Graph]  # given the file for marks
    prepare: Callable[[Commands], tuple[str, ...]]  # gives the command
    go_on: Callable[[Commands, Ended | None], Ended]  # until the run has ended; the command's end when it was one
    check: Callable[[Commands, Ended], list[tuple[str, str]]] = lambda *_: []
    judged: bool = True  # by the marks of one run
    codes: tuple[int, ...] = (0,)  # of the run's end


def _mark(graph: Graph, place: str, needs: dict[str, str], marks: str, **given: Any) -> dict[str, Any]:
    graph.places[place] = Want(needs=list(needs), attempts=3, backoff_s=0.02)
    inputs = [f"${{{{ {cel} }}}}" for cel in needs.values()]
    return {"operator": {"name": "mark", "with": {"marks": marks, "inputs": inputs, **given}}, "retry": _AGAIN}


def _script(graph: Graph, place: str, marks: str, more: str = "", **env: str) -> dict[str, Any]:
    graph.places[place] = Want(attempts=3, backoff_s=0.02)
    given = {"MARKS": marks, "SECONDS_AT_WORK": "0", "INPUTS": "[]", **env}
    return {"script": {"run": SCRIPT + more, "env": given}, "retry": _AGAIN}


def everything(marks: str) -> Graph:
    """Uses everything that is written: values, large values, artifacts, copies of them, logs, runs inside, a report."""
    graph = Graph(files={}, capsules=["inner"], parallel=2)
    files = {"site": {"type": "artifact", "path": "site"}, "page": {"type": "artifact", "path": "page"}}
    making = "mkdir site; echo one > site/one; echo two > site/two; echo page > page; echo made\n"
    reading = '[ "$(cat "$SITE/one" "$SITE/two" "$PAGE" | tr "\\n" " ")" = "one two page " ]\n'
    artifacts = {"SITE": "${{ steps.make.site }}", "PAGE": "${{ steps.make.page }}"}
    many = _mark(graph, "/many", {"/first": "steps.first.value"}, marks, fail=1)
    want = graph.places.pop("/many")
    graph.places |= {"/many/0": want, "/many/1": want}
    large_and_many = {"/large": "steps.large.value", "/many/*": "steps.many.map(i, i.value)"}
    steps = {
        "first": _mark(graph, "/first", {}, marks),
        "large": _mark(graph, "/large", {"/first": "steps.first.value"}, marks, padding=70_000),
        "make": _script(graph, "/make", marks, making) | {"outputs": {**_TEXT, **files}},
        "read": _script(graph, "/read", marks, reading, **artifacts) | {"outputs": _TEXT},
        "many": many | {"forEach": "${{ [1, 2] }}"},
        "inner": {"capsule": {"use": "inner"}},
        "last": _mark(graph, "/last", large_and_many, marks),
    }
    inside = {
        "in": _mark(graph, ".inner/in", {}, marks),
        "deep": _script(graph, ".inner/deep", marks) | {"outputs": _TEXT},
    }
    spec = {
        "uses": {"capsules": {"inner": "./inner.capsule.yaml"}},
        "budget": {"tokens": "1k"},
        "steps": steps,
        "outputs": {"spent": "${{ run.spend.tokens }}"},
        "finally": {"tell": _mark(graph, "/tell", {}, marks)},
    }
    graph.places["/tell"].final = 1
    return _filed(graph, spec, inner={"steps": inside})


def _gated(marks: str, phase: str) -> Graph:
    """A gate between what has ended and what comes then; rejected or cancelled, only `finally` comes."""
    graph = Graph(files={}, gates={"ask": Gate(users=["ana", "bo"], count=1)}, phase=phase, parallel=2)
    steps = {
        "first": _mark(graph, "/first", {}, marks),
        "ask": {
            "needs": ["first"],
            "review": {"title": "Go on?", "reviewers": {"users": ["ana", "bo"]}},
            "retry": _AGAIN,
        },
        "then": _script(graph, "/then", marks) | {"outputs": _TEXT, "needs": ["ask"]},
        "large": _mark(graph, "/large", {"/first": "steps.first.value"}, marks, padding=70_000) | {"needs": ["ask"]},
    }
    graph.places["/large"].after = graph.places["/then"].after = ["ask"]
    if phase != "Succeeded":
        del graph.places["/large"], graph.places["/then"]
    spec = {"steps": steps, "outputs": {"spent": "${{ run.spend.tokens }}"}}
    spec["finally"] = {"tell": _mark(graph, "/tell", {}, marks)}
    graph.places["/tell"].final = 1
    return _filed(graph, spec)


def _mended(marks: str) -> Graph:
    """Fails until there is a file `mended` in its folder."""
    graph = Graph(files={}, parallel=2)
    steps = {
        "first": _mark(graph, "/first", {}, marks, padding=70_000),
        "flaky": {
            "needs": ["first"],
            "script": {"run": 'test -e "$IT"', "env": {"IT": f"{marks}.mended"}},
            "retry": _AGAIN,
        },
        "last": _mark(graph, "/last", {"/first": "steps.first.value"}, marks) | {"needs": ["flaky"]},
    }
    return _filed(graph, {"steps": steps, "outputs": {"spent": "${{ run.spend.tokens }}"}})


def _filed(graph: Graph, spec: dict[str, Any], **capsules: dict[str, Any]) -> Graph:
    for name, one in {"graph": spec, **capsules}.items():
        graph.files[f"{name}.capsule.yaml"] = {**HEAD, "metadata": {"name": name}, "spec": one}
    return graph


def _runs(commands: Commands) -> list[str]:
    """Newest first; the list can be read whatever happened."""
    listed = commands("runs")
    commands.ended.pop()
    if listed.process.code:
        raise Unreadable(f"`runs` ended with {listed.process.code}: {listed.process.told}")
    return [one["id"] for one in json.loads(listed.out)]


class Unreadable(Exception):
    """What every command must be able to read cannot be read; the message says what."""


def _begun(commands: Commands) -> str:
    """Runs the capsule until it parks or ends."""
    commands("run", "graph.capsule.yaml", *PARALLEL)
    return _runs(commands)[0]


def _resumed(commands: Commands, ended: Ended | None) -> Ended:
    runs = _runs(commands)
    if ended is not None:
        return ended
    return commands(*(("resume", runs[0]) if runs else ("run", "graph.capsule.yaml")), *PARALLEL)


def _done_again(*words: str) -> Callable[[Commands, Ended | None], Ended]:
    """Resumed; if the run still waits, what was to be written down was not."""

    def go_on(commands: Commands, ended: Ended | None) -> Ended:
        (run,) = _runs(commands)
        on = ended or commands("resume", run)
        return on if on.process.code != 3 else commands(words[0], run, *words[1:])

    return go_on


def _retried(commands: Commands, ended: Ended | None) -> Ended:
    runs = _runs(commands)
    if ended is not None:
        return ended
    return commands("resume", runs[0]) if len(runs) > 1 else commands("retry", runs[0])


def _check_retry(commands: Commands, ended: Ended) -> list[tuple[str, str]]:
    """What the old run had is kept, and the rest was made once."""
    new, old = _runs(commands)
    final = json.loads(ended.out)
    begun = {line["key"] for line in marks_in(commands.folder.parent) if line["what"] == "begin"}
    steps = final["steps"]
    kept = json.loads(_shown(commands, old))["steps"]["first"]["outputs"] == steps["first"]["outputs"]
    right = final["phase"] == "Succeeded" and final["retryOf"] == old and kept
    faults = [] if right else [("wrong end", f"the retry came to {final}")]
    if f"{new}/first" in begun or f"{new}/last" not in begun:
        faults.append(("recorded run again", f"in {new} these began: {sorted(begun)}"))
    return faults + _whole(commands)


def _shown(commands: Commands, run: str) -> str:
    shown = commands("show", run)
    commands.ended.pop()
    return shown.out


def _two_runs(commands: Commands) -> tuple[str, ...]:
    """Two ended runs whose content is old enough to be removed."""
    for _ in range(2):
        commands("run", "graph.capsule.yaml", *PARALLEL)
    for path in (commands.folder / ".somagent" / "contents" / "objects").glob("*/*"):
        os.utime(path, (0, 0))
    return _PRUNE


_PRUNE = ("prune", "--older-than", "0s", "--keep", "1")


def _pruned(commands: Commands, ended: Ended | None) -> Ended:
    """Pruned again, there is nothing left to do, and what was to stay is there."""
    runs = _runs(commands)
    if ended is None:
        ended = commands(*_PRUNE)
    if ended.process.code:
        return ended
    return commands("show", runs[0])


def _check_prune(commands: Commands, ended: Ended) -> list[tuple[str, str]]:
    left = commands(*_PRUNE, "--dry-run")
    commands.ended.pop()
    said = json.loads(left.out)
    runs = _runs(commands)
    faults = [("wrong end", f"left to prune: {said}; runs: {runs}")] if said["files"] or len(runs) != 1 else []
    return faults + _whole(commands)


def _whole(commands: Commands, *_: Any) -> list[tuple[str, str]]:
    """Records, content and the audit log are whole."""
    looked = commands("doctor")
    commands.ended.pop()
    return [("lost", f"doctor: {looked.out}")] if looked.process.code else []


def _decision(word: str) -> Callable[[Commands], tuple[str, ...]]:
    def prepare(commands: Commands) -> tuple[str, ...]:
        return (word, _begun(commands), "ask", "--as", "ana")

    return prepare


def _cancel(commands: Commands) -> tuple[str, ...]:
    return ("cancel", _begun(commands), "--as", "ana")


def _retry(commands: Commands) -> tuple[str, ...]:
    run = _begun(commands)
    Path(f"{commands.folder.parent / 'marks'}.mended").touch()
    return ("retry", run)


DEEDS: dict[str, Deed] = {
    "run": Deed(everything, lambda _: ("run", "graph.capsule.yaml", *PARALLEL), _resumed, _whole),
    "approve": Deed(
        lambda marks: _gated(marks, "Succeeded"),
        _decision("approve"),
        _done_again("approve", "ask", "--as", "ana"),
        _whole,
    ),
    "reject": Deed(
        lambda marks: _gated(marks, "Failed"),
        _decision("reject"),
        _done_again("reject", "ask", "--as", "ana"),
        _whole,
        codes=(0, 1),
    ),
    "cancel": Deed(
        lambda marks: _gated(marks, "Cancelled"), _cancel, _done_again("cancel", "--as", "ana"), _whole, codes=(0, 4)
    ),
    "retry": Deed(_mended, _retry, _retried, _check_retry, judged=False),
    "prune": Deed(everything, _two_runs, _pruned, _check_prune, judged=False),
}
