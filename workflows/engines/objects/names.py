"""Where things lie in the bucket.

    contents/AB/CDEF...              files, values and plans by the digest of their bytes
    aside/contents/AB/CDEF...        what no run stood on when it was looked, found by readers until it goes for good
    aside/lists/TIME-...             what was moved there, and when
    runs/TOP/RUN/deeds/1             what people did, hash-chained: 1 is the submission; TOP is the run itself, or
                                     the one that it is inside of
    runs/TOP/RUN/started             when the run was first worked on
    runs/TOP/RUN/ended               how it ended
    runs/TOP/RUN/budget/1            what is set aside and spent in it and in those inside it
    runs/TOP/RUN/spent/STEP          what had been spent when this was first asked for the step
    runs/TOP/RUN/engine              which engine starts its steps, and where
    runs/TOP/RUN/opened/STEP         how many items a fan-out has
    runs/TOP/RUN/steps/STEP/begun.1  an attempt and who is at work on it; of an item STEP/7/begun.1
    runs/TOP/RUN/steps/STEP/alive.1  its sign of life
    runs/TOP/RUN/steps/STEP/said.1   what it had written so far, as long as its log is not there
    runs/TOP/RUN/steps/STEP/log.1    what it wrote
    runs/TOP/RUN/steps/STEP/end.1    how it ended; the first end with a result is the last

Numbers count from 1 without gaps, so a reader asks for the next one until there is none.
"""

from __future__ import annotations

from somagent.operators.runner.records import NO_ITEM, StepKey
from somagent.workflows.engines.run_names import top_of

RUNS, CONTENTS, ASIDE, ASIDE_LISTS = "runs", "contents", "aside/contents", "aside/lists"
_SIGNS = ("alive", "said", "log")  # of an attempt: no step reads them


def content(digest: str) -> str:
    """A file, a value or a plan."""
    shown = digest.removeprefix("sha256:")
    return f"contents/{shown[:2]}/{shown[2:]}"


def aside(digest: str) -> str:
    """The same, when no run stood on it."""
    return f"aside/{content(digest)}"


def digest_of(name: str) -> str:
    """The digest that content is called by, there or aside."""
    return "sha256:" + "".join(name.rsplit("/", 2)[1:])


def top_folder(run_id: str) -> str:
    """All of a run that is inside no other one, and of those inside it."""
    return f"{RUNS}/{top_of(run_id)}"


def run_folder(run_id: str) -> str:
    """All of a run, without the runs inside it."""
    return f"{top_folder(run_id)}/{run_id}"


def deed(run_id: str, number: int) -> str:
    """One entry of what people did in the run."""
    return f"{run_folder(run_id)}/deeds/{number}"


def engine(run_id: str) -> str:
    """Which engine starts the run's steps, and where."""
    return f"{run_folder(run_id)}/engine"


def started(run_id: str) -> str:
    """When the run was first worked on."""
    return f"{run_folder(run_id)}/started"


def ended(run_id: str) -> str:
    """How the run ended."""
    return f"{run_folder(run_id)}/ended"


def opened(run_id: str, step: str = "") -> str:
    """How many items a fan-out has; without a step, the folder of all."""
    return f"{run_folder(run_id)}/opened/{step}".rstrip("/")


def budget_folder(run_id: str) -> str:
    """All states of the run's accounts."""
    return f"{run_folder(run_id)}/budget"


def budget(run_id: str, number: int) -> str:
    """One state of the run's accounts."""
    return f"{budget_folder(run_id)}/{number}"


def spent(key: StepKey) -> str:
    """What had been spent when this was first asked for the step."""
    return f"{run_folder(key.run)}/spent/{key.step}"


def step_folder(run_id: str, step: str = "") -> str:
    """All attempts of a run, or of one step and its items."""
    return f"{run_folder(run_id)}/steps/{step}".rstrip("/")


def begun(key: StepKey, number: int) -> str:
    """The beginning of an attempt."""
    return f"{_key_folder(key)}/begun.{number}"


def alive(key: StepKey, number: int) -> str:
    """The sign of life of who is at work on an attempt."""
    return f"{_key_folder(key)}/alive.{number}"


def end(key: StepKey, number: int) -> str:
    """The end of an attempt."""
    return f"{_key_folder(key)}/end.{number}"


def log(key: StepKey, number: int) -> str:
    """What an attempt wrote."""
    return f"{_key_folder(key)}/log.{number}"


def said(key: StepKey, number: int) -> str:
    """What an attempt has written so far; its log takes the place of it, and `prune` deletes both."""
    return f"{_key_folder(key)}/said.{number}"


def number_in(name: str) -> tuple[str, int]:
    """What an object of an attempt is, such as `end`, and the number of the attempt; 0 when it has none."""
    what, _, number = name.rpartition("/")[2].partition(".")
    return what, int(number) if number.isdigit() else 0


def is_sign(name: str) -> bool:
    """Whether it is of an attempt, and for people and those who wait only."""
    return "/steps/" in name and number_in(name)[0] in _SIGNS


def keys_in(run_id: str, names: list[str]) -> list[StepKey]:
    """The steps and items of the run that these names are about, each once, steps in the order of their names."""
    return sorted({key_of(run_id, name) for name in names})


def key_of(run_id: str, name: str) -> StepKey:
    """The step or item of the run that this name is about."""
    step, *item, _ = name.removeprefix(f"{step_folder(run_id)}/").split("/")
    return StepKey(run_id, step, int(item[0]) if item else NO_ITEM)


def _key_folder(key: StepKey) -> str:
    item = "" if key.item == NO_ITEM else f"/{key.item}"
    return f"{step_folder(key.run, key.step)}{item}"
