"""What one evaluation carries along: bindings, the variables of the macros around, and the work it may still do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from somagent.governance.cel.faults import EvaluationError
from somagent.governance.cel.values import Value
from somagent.governance.documents import Span


class OutOfSteps(EvaluationError):
    """The evaluation did more work than it was given; never absorbed."""


class Frame:
    """The state of one evaluation; closures get it as their only argument."""

    __slots__ = ("bindings", "span", "steps", "variables")

    def __init__(self, bindings: Mapping[str, Value], variables: int, steps: int, span: Span) -> None:
        self.bindings = bindings
        self.variables: list[Value] = [None] * variables
        self.steps = steps
        self.span = span

    def spend(self, steps: int) -> None:
        """Take `steps` off; one step is an item walked over, compared or copied, or some 16 characters."""
        self.steps -= steps
        if self.steps < 0:
            raise OutOfSteps("the expression takes too much work for this input", self.span)


Run: TypeAlias = Callable[[Frame], Value]
