"""The names of runs inside runs, and of the steps in them, as the engines give them and people write them."""

from __future__ import annotations

from hashlib import sha256

from somagent.operators.runner.records import NO_ITEM, StepKey

_LONGEST = 160  # characters of an id; it is part of file names


def child_id(key: StepKey, number: int) -> str:
    """The id of the `number`-th run (from 1) of a step's capsule: `RUN.STEP`, `RUN.STEP.ITEM-2`.

    What would be too long for the names of files is a digest of it, still after the id of the run at the top.
    """
    whole = f"{key.run}.{key.step}" if key.item == NO_ITEM else f"{key.run}.{key.step}.{key.item}"
    whole += f"-{number}" if number > 1 else ""
    if len(whole) <= _LONGEST:
        return whole
    return f"{key.run.partition('.')[0]}.{sha256(whole.encode()).hexdigest()[:32]}"


def path_below(top: str, key: StepKey) -> str:
    """How the run `top` names a step, its own or one of a run inside it: `build`, `scan/build`, `scan/3/build`."""
    own = key.step if key.item == NO_ITEM else f"{key.step}/{key.item}"
    above = [part.partition("-")[0] for part in key.run.removeprefix(top).split(".") if part]
    return "/".join([*above, own] if own else above)
