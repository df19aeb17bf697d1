"""What every engine offers, and the views of a run that people and programs read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

from somagent.capsule_compiler.plan import Amounts, Plan
from somagent.governance.verdict import Verdict
from somagent.operators.runner.objects import OriginFault
from somagent.operators.runner.records import (
    NO_ITEM,
    Artifact,
    Attempt,
    Decision,
    Failure,
    Phase,
    RunRecord,
    StepKey,
    StepResult,
    Waiting,
)


class StepView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of a run as it stands now; for a fan-out step also its items."""

    id: str
    operator: str
    item: int = NO_ITEM
    phase: Phase
    attempts: Annotated[int, Meta(description="Attempts begun; of a fan-out step, the sum over its items")] = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outputs: dict[str, Any] = {}
    failure: Failure | None = None
    verdict: Verdict | None = None
    waiting: Waiting | None = None
    spent: Amounts = Amounts()
    input_digest: str = ""
    output_digest: str = ""
    history: Annotated[list[Attempt], Meta(description="Every attempt, oldest first")] = []
    items: list[StepView] = []
    retry_at: datetime | None = None
    warnings: Annotated[list[str], Meta(description="Budgets that its attempts went beyond, each in words")] = []
    inner: Annotated[RunView | None, Meta(description="The newest run of the step's capsule")] = None


class RunView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run as it stands now.

    `Running` means that a process is at work on it; a run that was stopped or cut off is `Pending`.
    """

    run: RunRecord
    plan: Plan
    phase: Phase
    steps: Annotated[list[StepView], Meta(description="In the order of the plan, `finally` last")]
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outputs: dict[str, Any] = {}
    failure: Failure | None = None
    decisions: list[Decision] = []
    warnings: Annotated[list[str], Meta(description="Where it went beyond what budgets allow, each in words")] = []
    held_by: Annotated[int | None, Meta(description="Process at work on it, if one is")] = None


class RunSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the list of runs."""

    id: str
    capsule: str
    phase: Phase
    submitter: str
    created_at: datetime
    ended_at: datetime | None = None


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened in a run, after it was made durable.

    A `trouble` is not of the run but of where it is worked on, and is not written down: why a step, or with none the
    run, does not go on at this moment.
    """

    at: datetime
    key: StepKey
    kind: Literal["attempt", "waiting", "retry", "result", "opened", "decision", "run", "trouble"]
    phase: Phase
    attempt: int = 0
    items: Annotated[int | None, Meta(description="`opened`: how many items the fan-out has")] = None
    message: str = ""
    retry_at: Annotated[datetime | None, Meta(description="`retry`: when the next attempt may start")] = None
    result: StepResult | None = None


class LogChunk(Struct, frozen=True, kw_only=True):
    """Lines that an attempt wrote."""

    key: StepKey
    attempt: int
    text: str


class Engine(Protocol):
    """An engine that runs plans. What every engine promises of each call; the cases of `tests/conformance` hold it.

    **Durability.** What a call writes (`submit`, `signal`, `cancel`, `retry_from`) is on the disk when it returns, and
    is there in full or not at all when it does not return. A step whose result is recorded never runs again; one cut
    off before that may run again, with the same idempotency key (`RUN/STEP`, or `RUN/STEP/ITEM`).

    **Concurrency.** All calls may be made at any time, from several threads of control and processes, while the run
    is worked on. Each write is one transaction: of two decisions of one person on one question the first counts, and
    two that come at once are both weighed. A reader sees the run as it was at one moment, never a part of a write.

    **Errors.** A mistake of the caller's and a fault outside are `EngineError`s, whose message says what to do;
    `UnknownRun` when no run has the id. A step that fails raises nothing: it is in the view.

    **People.** Where the engine is told who is to be believed (`somagent.workflows.identity`), it is the engine that
    finds out who starts, decides and cancels, by the signed `token` or the account: what its caller says of the person
    counts for nothing, and another name is refused.

    **Units.** Times are UTC with a time zone, by the engine's clock; amounts are tokens and millionths of the
    currency. Values are JSON; an output of a step that has more than 64 KiB is shown as `{"$content": DIGEST}`, the
    outputs of a run are shown whole.
    """

    async def submit(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        *,
        submitter: str,
        files: Mapping[str, bytes],
        source: str = "",
        token: str | None = None,
    ) -> str:
        """Stores the plan, its files and inputs as a new run, which is `Pending`, and returns the run's id.

        `inputs` have been accepted before (`somagent.workflows.inputs`). `files` has the content of each file that the
        plan takes along by its path, and of those of its capsules by digest. The run keeps all of them: the capsule's
        file may change or go away. `source` is where it was read, for people who want to go on with what stands there
        later. Raises `EngineError` when a file is missing or another one, and when the plan has a step that this
        version checks and does not run; then there is no run.
        """
        ...

    def watch(self, run_id: str) -> AsyncIterator[Event]:
        """What happens from now on, until the run ends or nothing is left but waiting for people.

        Each event was made durable before it is told, and those of one step come in its order. Whoever watches may
        miss what happened before, never something between two events. Runs inside the run are told of as well. The
        last event is of kind `run` and has the run's phase.
        """
        ...

    async def signal(self, run_id: str, decision: Decision, *, token: str | None = None) -> None:
        """Writes a person's decision down; the step that waits for it goes on.

        Raises `DecisionRefused`, and writes nothing, when the step does not wait, the person may not decide, has
        decided on this question already, or the time to decide has passed (`somagent.operators.deciding.objection`,
        which the step asks again). The first rejection ends the step; a decision is for one question only.
        """
        ...

    async def cancel(self, run_id: str, *, by: str, token: str | None = None) -> None:
        """Asks the run to stop, and returns when that is written down, not when it has stopped.

        What is recorded stays. What is at work is cut off, what waits is given up, what comes after is omitted; then
        `finally` runs and the run ends as `Cancelled`. Asking twice is asking once. A run that has only `finally` left
        ends as it would have. Raises `EngineError` when the run has ended or is a part of another one.
        """
        ...

    async def retry_from(
        self,
        run_id: str,
        step: str = "",
        *,
        plan: Plan | None = None,
        inputs: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
        submitter: str = "",
        token: str | None = None,
    ) -> str:
        """Stores a new run of the same plan and inputs, or of those given, and returns its id.

        `submitter` starts it, and may not decide in it where `notSubmitter` says so; without, who started the old one.

        It takes over what succeeded or was skipped, has not changed, and is not `step` nor after anything that runs
        again (`somagent.workflows.engines.taking_over`), with the decisions of people on those steps; all else is
        Pending, `finally` too. Its idempotency keys are its own. The old run stays as it is. Raises `EngineError` when
        the plan has no such step, or the run is a part of another one.
        """
        ...

    async def rerun(self, run_id: str, *, submitter: str = "", token: str | None = None) -> str:
        """Stores a new run of the same plan and inputs that takes nothing over, and returns its id.

        `submitter` as in `retry_from`.
        """
        ...

    def view(self, run_id: str) -> RunView:
        """The run as it stands, with the runs inside it; raises `UnknownRun`."""
        ...

    def runs(self, *, children: bool = False) -> Sequence[RunSummary]:
        """All runs that can be read, newest first; with `children` also those that are part of another one.

        Raises `EngineError` when there are runs and none can be read.
        """
        ...

    def logs(self, run_id: str, step: str | None = None) -> Iterator[LogChunk]:
        """What the attempts of a run, or of one of its steps, wrote, in the order of their starts.

        One that wrote nothing is left out; of each at most 1 MiB is kept. Secrets that the step was granted are `***`.
        Logs are for people: unlike results they are not waited for by a commit, so the last lines may be missing
        after a crash of the machine. Raises `UnknownRun`.
        """
        ...

    def artifacts(self, run_id: str) -> Mapping[str, Artifact]:
        """The files and folders that the run made, by name: `NAME` of its outputs, `STEP.NAME`, `STEP/ITEM.NAME`.

        Those of a run inside it are named by the way to them, `scan/build.NAME`. Raises `UnknownRun`.
        """
        ...

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Writes a copy of an artifact into `folder`, under its own name, and returns its path.

        It appears whole or not at all, and may be changed. Raises `FileExistsError` when something has that name,
        other `OSError`s when the folder cannot be written, and `ContentError` when what is stored is missing or is
        not what was stored.
        """
        ...


def spelled(*words: str) -> str:
    """A command as people type it, where nobody says how this program is called and which options it needs."""
    return " ".join(("somagent", *words))


class EngineError(Exception):
    """A mistake or a fault that people can do something about; the message says what."""


class UnknownRun(EngineError):
    """No run has this id."""


class DecisionRefused(EngineError):
    """The decision was not written down."""


class NotTakenUp(EngineError):
    """It is written down and counts; whoever works on the run elsewhere has not been seen to go on with it."""


class DataDirectoryHeld(EngineError):
    """Another process runs capsules in this data directory."""


class RunHeld(DataDirectoryHeld):
    """Another process works on this run."""


class EngineUnreachable(EngineError):
    """What works on runs elsewhere does not answer; it may be back soon."""


class StoreUnreachable(EngineError, OriginFault):
    """The database or the object store cannot be reached; nothing recorded is lost."""


class StoreRefused(EngineError, OriginFault):
    """The object store answers, and refuses."""


class JournalDamaged(EngineError):
    """The journal's file cannot be read."""


class StorageRefused(EngineError):
    """The data directory's files may not be opened, or not be written to."""


class StorageFull(EngineError):
    """There was no room to write; nothing recorded is lost."""
