"""The one form that an operator has, ours or anybody's.

An operator is found through the entry point group `somagent.operators`; the object there is an `Operator`. Before its
`run` is called, the step runner has decided guards, rendered and decoded the arguments, asked the constitution,
reserved the budget and set the deadline. What `run` returns is validated and recorded by the step runner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from somagent.capsule_compiler.catalogue import ARTIFACT_ONLY, OperatorEntry
from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.governance.documents import HINTS, model_schema
from somagent.governance.verdict import Verdict
from somagent.operators.runner.records import Artifact, Decision, FailureClass, RunRecord, StepKey, Waiting

if TYPE_CHECKING:  # the content store takes 6 ms to import, and the catalogue is read before anything runs
    from somagent.operators.runner.contents import Contents
    from somagent.operators.runner.log import StepLog
    from somagent.operators.runner.secrets import Vault


class Step(Struct, frozen=True, kw_only=True):
    """What an operator may know and use while it runs one attempt."""

    run: RunRecord
    plan: Plan
    node: Node
    key: StepKey
    attempt: int  # from 1
    folder: Path  # this attempt's own; see `own_folder`
    log: StepLog
    contents: Contents
    time_s: float  # the attempt is cut off after so many seconds, by the clock that nobody sets
    decisions: tuple[Decision, ...] = ()  # people's answers to `asked` so far, oldest first
    asked: Waiting | None = None  # what this operator asked people when the step last parked
    now: Callable[[], datetime]
    vault: Vault  # the values of the secrets that the step was granted

    def own_folder(self) -> Path:
        """The attempt's own folder: made, empty, when it is first asked for, and gone when the attempt has ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder


class Answer(Struct, frozen=True):
    """The step is done. Artifacts among the outputs are `Artifact` records (see `records`).

    `verdict` is what a rule book said of the step's own matter (a policy step's input); the recorded result shows it
    instead of the constitution's verdict on the step, which stays with the attempt.
    """

    outputs: dict[str, Any]
    spent: Amounts = field(default_factory=Amounts)
    verdict: Verdict | None = None


class Park(Struct, frozen=True):
    """The step cannot go on before people decide; it is run again, in a new attempt, when they have."""

    waiting: Waiting
    verdict: Verdict | None = None  # what a rule book said of the step's input, when that is why people are asked


class StepFailure(Exception):
    """The attempt failed; `failure_class` decides whether another one follows. `verdict` as in `Answer`."""

    def __init__(
        self,
        failure_class: FailureClass,
        message: str,
        *,
        spent: Amounts | None = None,
        verdict: Verdict | None = None,
        child: str = "",
    ) -> None:
        super().__init__(message)
        self.failure_class: FailureClass = failure_class
        self.message = message
        self.spent = spent or Amounts()
        self.verdict = verdict
        self.child = child  # the run of the step's capsule that failed


class Operator(Struct, frozen=True):
    """An operator: what authors see of it, the type of its arguments, and its one effect.

    `run` gets the decoded arguments and the step. It shares the event loop with the whole engine: while it blocks
    (`time.sleep`, a long computation, a blocking client) nothing else happens, and neither a deadline nor Ctrl-C can
    cut it off; such work belongs into `somagent.operators.runner.threads.in_thread` or a process. At its deadline
    `run` is cancelled; one of another package that swallows the `CancelledError` is given up 5 s later and left behind.
    Whatever it raises is a failure of the step; classes of `StepFailure` are those of `border.CLASSES`.

    `estimate` says what an attempt with these arguments will spend at
    the most; it is reserved before the attempt and settled after it.

    `abandon` ends what an attempt of this key left running below the workspace when the process that ran it died; it
    is for operators that start processes.
    """

    entry: OperatorEntry
    arguments: type[Struct]
    run: Callable[[Any, Step], Awaitable[Answer | Park]] | None  # None: it can be checked and not run
    estimate: Callable[[Any], Amounts] = field(default=lambda _: Amounts())
    abandon: Callable[[StepKey, Path], Awaitable[None]] | None = None
    not_yet: tuple[str, ...] = ()  # switches among the arguments that can be checked and not run

    def cannot_run(self, node: Node) -> str:
        """What of a step this version checks and plans but does not run; empty when it can be run."""
        if self.run is None:
            return f"`{node.operator}`"
        given = node.arguments.value if isinstance(node.arguments.value, dict) else {}
        return next((f"`{name}` of `{node.operator}`" for name in self.not_yet if given.get(name) is True), "")


def arguments_schema(arguments: type[Struct]) -> dict[str, Any]:
    """The JSON Schema of an argument model for its `OperatorEntry`: its fields at the top, models inside in `$defs`.

    A field of type `Artifact` is marked as one, so that the compiler takes nothing but an artifact there.
    """
    schema = model_schema(arguments)
    definitions: dict[str, Any] = schema["$defs"]
    own: dict[str, Any] = _with_artifacts(definitions.pop(schema["$ref"].removeprefix("#/$defs/")))
    definitions.pop(Artifact.__name__, None)
    return {**own, "$defs": _with_artifacts(definitions)} if definitions else own


def _with_artifacts(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_artifacts(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref") == f"#/$defs/{Artifact.__name__}":
        rest = {name: part for name, part in schema.items() if name != "$ref"}
        return {"type": "object", HINTS: {ARTIFACT_ONLY: True, "noun": "an artifact of another step"}, **rest}
    return {name: _with_artifacts(part) for name, part in schema.items()}
