"""The names of runs inside runs, and of the steps in them, as the engines give them and people write them."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256

from somagent.operators.runner.records import NO_ITEM, StepKey
from somagent.workflows.engines.protocol import Engine, UnknownRun

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


def top_of(run_id: str) -> str:
    """The run that is gone on with when this one shall be: itself, or the one that it is a part of."""
    return run_id.partition(".")[0]


def find_run(engine: Engine, name: str) -> str:
    """The id of a run named by id, by the beginning of it, or by `last`."""
    ids = [run.id for run in engine.runs(children="." in name)]  # a dot is in the names of runs inside runs only
    if not ids:
        raise UnknownRun("there are no runs here yet; `somagent run CAPSULE` starts one")
    if not name:  # a variable that is not set, most likely; it must not name the only run that there is
        raise UnknownRun("the id of the run is empty; `somagent runs` lists runs")
    if name == "last":
        return ids[0]
    if name in ids:
        return name
    matching = [one for one in ids if one.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UnknownRun(f"`{name}` is the beginning of {len(matching)} runs: {', '.join(matching[:5])}")
    with suppress(UnknownRun):
        engine.view(name)  # one that cannot be read is in no list, and raises what is wrong with it
    raise UnknownRun(f"there is no run `{name}` here; `somagent runs` lists them")
