"""What people who know GitHub Actions write in expressions, and the way out in this language.

Keys are in small letters: names of functions and contexts mean the same there in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Status(NamedTuple):
    """A function that asks how things went: what is said of it in a step, and the phase that it means in `finally`."""

    in_step: str
    phase: str  # of the run; empty when it is any


STATUS_FUNCTIONS: Mapping[str, Status] = {
    "always": Status("a step under `finally` runs however the run ends: move it there, without `if`", ""),
    "success": Status("what runs after a failure stands under `finally`", "Succeeded"),
    "failure": Status(
        'a step that needs a failed one never runs: move it to `finally`, with `if: run.phase == "Failed"`', "Failed"
    ),
    "cancelled": Status(
        'a cancelled run starts no more steps: move it to `finally`, with `if: run.phase == "Cancelled"`', "Cancelled"
    ),
}

ALWAYS_IN_FINALLY = "`finally` runs however the run ends: take the condition away"
ALWAYS_IN_STEPS = "a step runs only when all that it needs has succeeded, and never in a cancelled run: take it away"

FUNCTIONS: Mapping[str, str] = {
    "fromjson": "values have types: declare the output with `type: object` or `array`, and read it as it is",
    "tojson": "what is not text is written as JSON by itself: leave the function away",
    "format": "join texts with `+`, or write them around holes: `part-${{ a }}-${{ b }}`",
    "join": "hand the list over as it is: a script gets it as JSON, and can join it",
    "hashfiles": "there is no cache to find a key for: files travel as artifacts, stored by their content",
}
"""All but those with one argument that stands for itself have no edit."""
STAND_FOR_THEIR_ARGUMENT = frozenset({"fromjson", "tojson"})

CONTEXTS: Mapping[str, str] = {
    "github": "a run knows its id, who started it and what it spent (`run`), nothing of a repository: declare an input",
    "needs": "every step is read through `steps`: `steps.STEP.OUTPUT`, and `steps.STEP.status` for how it went",
    "matrix": "`forEach` gives a step its items, and `as` their name: `forEach: ${{ inputs.versions }}`, `as: version`",
    "strategy": "`indexAs` names the place of an item of a `forEach`; without it, it is `index`",
    "env": "`env` is what a script gets; expressions read `inputs` and `steps`",
    "vars": "declare an input with a default, and read it as `inputs.NAME`",
    "runner": "nothing is known of the machine that a step runs on; a script can ask it",
    "job": "how a step went is `steps.STEP.status`; how the run ended is `run.phase`, in `finally`",
    "jobs": "every step is read through `steps`: `steps.STEP.OUTPUT`",
}

MEMBERS: Mapping[tuple[str, ...], str] = {
    ("github", "run_id"): "run.id",
    ("github", "actor"): "run.submitter",
    ("github", "triggering_actor"): "run.submitter",
}
INPUTS_OF_EVENT = ("github", "event", "inputs")
INPUTS: tuple[tuple[str, ...], ...] = (INPUTS_OF_EVENT, ("env",), ("vars",), ("github",))
"""What stands before a name that may be an input here."""

SURE = frozenset({"needs", "job"})
"""Contexts whose members can mean one thing here only."""

HOW_IT_WENT = frozenset({"outcome", "conclusion", "result"})
VALUES: Mapping[str, str] = {
    "success": "Succeeded",
    "failure": "Failed",
    "cancelled": "Cancelled",
    "canceled": "Cancelled",
    "approved": "approve",
}
