"""What became of a run: its phase, its outputs, and an exception for who wants only those that succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from somagent.operators.runner.records import Phase
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.named_steps import find_step, waiting_steps
from somagent.workflows.programs.outputs import outputs_of
from somagent.workflows.programs.picture import run_picture
from somagent.workflows.why import failed_step

T = TypeVar("T")


class RunFailed(Exception):
    """The run failed or was cancelled; the message says which step, with what, and the last that it wrote.

    `step` is the step's name, `failure` its class and message, `view` the run.
    """

    def __init__(self, view: RunView, why: Sequence[str]) -> None:
        super().__init__("\n".join(why) if why else _in_a_line(view))
        self.view = view
        self.step = failed_step(view)
        found = find_step(view, self.step)
        self.failure = found.step.failure if found is not None else view.failure


class RunUnfinished(Exception):
    """The run waits for people, or nobody is at work on it; the message says for whom, and how it goes on."""

    def __init__(self, view: RunView) -> None:
        asked = [one for one in waiting_steps(view) if one.step.waiting is not None]
        if asked:
            steps = "; ".join(
                f"`{one.name}`: {one.step.waiting.title}" for one in asked if one.step.waiting is not None
            )
            way_on = (
                f"waits for people: {steps}; decide with `approve` or `reject`, and `resume` it where nobody is at work"
            )
        else:
            way_on = f"has not ended ({view.phase}); go on with `resume`"
        super().__init__(f"{view.run.id} {way_on}")
        self.view = view


class Result(Generic[T]):
    """What became of a run. A notebook shows it as a graph."""

    __slots__ = ("_outputs", "_why", "view")

    def __init__(self, view: RunView, outputs: type[T] | None, why: Sequence[str]) -> None:
        self.view = view
        self._why = tuple(why)
        self._outputs: T | None = outputs_of(view, outputs) if view.phase == "Succeeded" else None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.view.run.id

    @property
    def phase(self) -> Phase:
        """`Succeeded`, `Failed`, `Cancelled`, `Waiting` for people, or `Pending` when nobody is at work on it."""
        return self.view.phase

    @property
    def outputs(self) -> T:
        """What the run gives; raises as `check` does, so that nobody takes none for empty ones."""
        self.check()
        return self._outputs  # type: ignore[return-value]  # it is set when the run succeeded

    def check(self) -> Result[T]:
        """The result itself, when the run succeeded; else raises `RunFailed` or `RunUnfinished`."""
        if self.phase in {"Failed", "Cancelled"}:
            raise RunFailed(self.view, self._why)
        if self.phase != "Succeeded":
            raise RunUnfinished(self.view)
        return self

    def __repr__(self) -> str:
        """In a line."""
        return f"<Result {self.view.run.capsule} {self.id}: {self.phase}>"

    def _repr_html_(self) -> str:
        return run_picture(self.view, self._why)


def _in_a_line(view: RunView) -> str:
    why = f": {view.failure.message}" if view.failure is not None else ""
    return f"{view.run.id} {view.phase}{why}"
