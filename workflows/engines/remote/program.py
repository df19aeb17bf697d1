"""`somagent-step`: what a pod or a task starts for a step. It reads the plan, works, and answers in small files.

The engine that starts it says by arguments what is to be done, and the environment says where: `SOMAGENT_RUNS` is the
address of the store, `SOMAGENT_RUN` the id of the run, and if that matters, `SOMAGENT_WORKFLOW` who must have begun it
and `SOMAGENT_PLAN` the digest of the plan that it must have.
Whatever it has to tell that engine, it writes into the folder `--answers`: `phase`, of a fan-out `items` (its indices),
of a step that waits `seconds`, and `summary` for people.
Why it ended otherwise than well is also in the file `--reason`, which an engine may show where it shows the exit code.
An engine that reads no folder of a pod has all answers in the one file `--message`, as JSON, with the number of items.
An engine whose own process may be killed beside it keeps the standard input open, and says so with `--bound`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

from msgspec import MsgspecError

from somagent.capsule_compiler.plan import Plan, plan_digest
from somagent.operators.registry import load_operators
from somagent.operators.runner.contents import ContentError, Contents
from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.operating import CannotGoOn
from somagent.operators.runner.records import NO_ITEM, Attempt, Phase, RunRecord, StepKey, StepResult
from somagent.operators.script.beside import runs_once
from somagent.operators.script.guardian import Guardian
from somagent.workflows.engines.asked_inside import Question, as_one
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.lease import LENGTH_S
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.protocol import EngineError, StoreUnreachable
from somagent.workflows.engines.remote.answers import Answers
from somagent.workflows.engines.remote.begun import WORKFLOW, begun_by
from somagent.workflows.engines.remote.capsules import open_run
from somagent.workflows.engines.remote.exits import Exit
from somagent.workflows.engines.remote.group import together
from somagent.workflows.engines.remote.inside import end_all, end_capsule, end_inside, left_inside, with_capsules
from somagent.workflows.engines.remote.log import Logs
from somagent.workflows.engines.remote.work import LAST_WORDS_S, UNSIGNED, NotEnded, Worker
from somagent.workflows.engines.rules import before_final, is_final
from somagent.workflows.engines.run_names import path_below, top_of
from somagent.workflows.engines.sub_capsules import operators_of

_EXITS: dict[Phase, Exit] = {
    "Succeeded": Exit.DONE,
    "Skipped": Exit.DONE,
    "Failed": Exit.FAILED,
    "Omitted": Exit.OMITTED,
    "Cancelled": Exit.CANCELLED,
}


_THREADS = 64  # many may wait for the store; who ends a script or records a result needs one beside them
_COMMANDS = {
    "step": "run a step",
    "open": "begin a fan-out",
    "close": "end a fan-out",
    "open-run": "begin a step that is a capsule: its run",
    "close-run": "end it, and before it that run",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = _parser().parse_args(argv)
    answers = Answers(arguments.answers, arguments.reason, arguments.message)
    try:
        with tempfile.TemporaryDirectory(prefix="somagent-", dir=arguments.work) as folder, ExitStack() as at_end:
            if arguments.bound:
                at_end.callback(Guardian(Path(folder)).dismiss)
            return asyncio.run(_stoppable(arguments, Path(folder), answers))
    except asyncio.CancelledError:
        return _say("stopped; what had begun is begun anew when the run goes on", Exit.STOPPED, answers)
    except Exception as error:
        return _say(*_told(error), answers)


def _told(error: BaseException) -> tuple[str, Exit]:
    """What is said of it, and whether another try may find it gone; raises what is a fault of SomaGent."""
    while isinstance(error, CannotGoOn | BaseExceptionGroup):
        error = error.fault if isinstance(error, CannotGoOn) else error.exceptions[0]
    match error:
        case StoreUnreachable() | AttemptHeld():
            return str(error), Exit.UNREACHABLE
        case EngineError() | NotEnded() | ContentError():
            return str(error), Exit.REFUSED
        case MsgspecError():
            return f"something at the store cannot be read: {error}; `somagent doctor` says what", Exit.REFUSED
        case OSError():
            where = f" for `{error.filename}`" if error.filename else ""
            return f"the machine failed: {error.strerror or error}{where}", Exit.UNREACHABLE
    raise error


async def _stoppable(arguments: argparse.Namespace, folder: Path, answers: Answers) -> Exit:
    """SIGTERM ends the step with all that it started, and leaves its attempt to whoever goes on."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, "somagent"))
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    if arguments.bound:
        loop.add_reader(sys.stdin.fileno(), _left_alone, task)
    return await _run(arguments, folder, answers)


def _left_alone(task: asyncio.Task[Exit]) -> None:
    """Ends the step when the process that started it is gone, however it went: then nobody holds the pipe any more."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        task.cancel()


async def _run(arguments: argparse.Namespace, folder: Path, answers: Answers) -> Exit:
    bucket = Bucket(_variable("SOMAGENT_RUNS"), says=lambda text: print(f"note: {text}", file=sys.stderr, flush=True))
    contents = Contents(folder / "contents", origin=BucketContents(bucket))
    lease_s = float(os.environ.get("SOMAGENT_LEASE_SECONDS", LENGTH_S))
    ledger = ObjectLedger(bucket, contents, utc_now, lease_s=lease_s)
    if arguments.command == "begin":
        from somagent.workflows.engines.remote.begin import begin  # noqa: PLC0415 - 15 ms, for this command only

        begun = await begin(ledger, _variable("SOMAGENT_RUN"), arguments.plan, os.environ)
        return answers.begun(begun.id)
    run = await ledger.deeds.run(_variable("SOMAGENT_RUN"))
    if workflow := os.environ.get(WORKFLOW):
        await begun_by(ledger, top_of(run.id), workflow)
    plan = await ledger.plan(run.id)
    _check_plan(run, plan)
    logs = Logs(ledger, folder / "logs")
    worker = with_capsules(
        Worker(
            ledger=ledger,
            run=run,
            plan=plan,
            operators=load_operators(only=operators_of(plan)).operators,
            workspace=folder / "work",
            log=logs.of,
            now=utc_now,
            tries_once=runs_once(),
        )
    )
    try:
        return await _work(arguments, worker, logs, answers)
    except asyncio.CancelledError:
        if await ledger.leave():
            raise StoreUnreachable(UNSIGNED) from None
        if not await _is_stopped(arguments, worker):
            raise
        return _say("the run was stopped", Exit.CANCELLED, answers)


def _check_plan(run: RunRecord, plan: Plan) -> None:
    """Raises `EngineError` when this program was started for another plan than the run's."""
    meant = os.environ.get("SOMAGENT_PLAN")
    if meant and meant != plan_digest(plan):
        raise EngineError(
            f"{run.id} is a run of the plan {plan_digest(plan)}, and this was started for the plan {meant}: another"
            " capsule, or another version of it, was begun by the name of this run, which is left as it is"
        )


async def _is_stopped(arguments: argparse.Namespace, worker: Worker) -> bool:
    """Whether there is nothing more to be tried; else whoever told this program to end did not mean the run."""
    steps = arguments.steps.split() if arguments.command == "group" else [getattr(arguments, "step", "")]
    with suppress(TimeoutError, EngineError):
        async with asyncio.timeout(LAST_WORDS_S):
            return all(steps) and all([await worker.is_stopped(step) for step in steps])
    return False


async def _work(arguments: argparse.Namespace, worker: Worker, logs: Logs, answers: Answers) -> Exit:
    ledger, run = worker.ledger, worker.run

    async def ended(steps: Sequence[str], exit_code: Exit) -> Exit:
        return await _end_run(worker, steps, exit_code, answers) if arguments.ends_run else exit_code

    if arguments.command == "end":
        async with logs.kept():
            phase = await end_all(worker)
        return _EXITS[answers.ended(phase)]
    if arguments.command == "end-inside":
        async with logs.kept():
            asked = await end_inside(worker, worker.plan.nodes, waits=True)
        inside = [Question(path_below(run.id, key), one) for key, one in asked]
        return answers.waits(as_one(inside), utc_now()) if inside else answers.left_inside([])
    if arguments.command == "left":
        return answers.left_inside(await left_inside(worker, arguments.path.split("/")))
    if arguments.command == "group":
        await ledger.start(run.id, utc_now())
        async with logs.kept():
            ends = await together(worker, arguments.steps.split())
        exit_code = _EXITS[answers.results(ends)]
        return await ended([one.key.step for one in ends], exit_code)
    key = StepKey(run.id, arguments.step, getattr(arguments, "item", NO_ITEM))
    await ledger.start(run.id, utc_now())
    if is_final(worker.plan, key.step):
        async with logs.kept():
            await end_inside(worker, before_final(worker.plan, key.step), waits=False)
    if arguments.command == "open":
        opened = await worker.open(key)
        if isinstance(opened, StepResult):
            return await ended([key.step], _EXITS[answers.result(opened)])
        return answers.opened(opened)
    came: StepResult | Attempt | RunRecord
    async with logs.kept():
        match arguments.command:
            case "open-run":
                came = await open_run(worker, key)
            case "close-run":
                came = await end_capsule(worker, key, arguments.child)
            case "close":
                came = await worker.close(key)
            case _:
                came = await worker.step(key)
    if isinstance(came, RunRecord):
        return answers.opened_run(came)
    if isinstance(came, StepResult):
        return await ended([key.step] if key.item == NO_ITEM else [], _EXITS[answers.result(came)])
    left = answers.left(came, utc_now())
    return Exit.DONE if arguments.command == "close-run" else left  # another round begins with `open-run`


async def _end_run(worker: Worker, steps: Sequence[str], exit_code: Exit, answers: Answers) -> Exit:
    """Ends the run when these steps were its last ones; how the program ends then.

    A run that fails although all of its steps went well (an output has no value) fails here.
    """
    if worker.run.parent is not None or worker.plan.finals or not await worker.were_last(steps):
        return exit_code
    phase = await end_all(worker)
    phases = [await worker.ledger.result(StepKey(worker.run.id, node.id)) for node in worker.plan.nodes]
    if phase == "Succeeded" or any(one is not None and one.phase not in {"Succeeded", "Skipped"} for one in phases):
        return exit_code
    closed = await worker.ledger.closed(worker.run.id)
    if closed is not None and closed.outcome.failure is not None:
        answers.failed(closed.outcome.failure)
    return _EXITS[phase]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="somagent-step", description=__doc__.partition("\n")[0])
    parser.add_argument("--answers", type=Path, help="folder for what the engine is told")
    parser.add_argument("--reason", type=Path, help="file for why it ended otherwise than well")
    parser.add_argument("--message", type=Path, help="one file for all that the engine is told, as JSON")
    parser.add_argument("--bound", action="store_true", help="stop when standard input ends: who started it is gone")
    parser.add_argument("--ends-run", action="store_true", help="end the run, too, when its last step has ended")
    parser.add_argument("--work", type=Path, help="folder for what steps work on (default: the system's)")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in _COMMANDS.items():
        command = commands.add_parser(name, help=what)
        command.add_argument("step", metavar="STEP")
        if name not in {"open", "close"}:
            command.add_argument("item", metavar="ITEM", type=int, nargs="?", default=NO_ITEM)
        if name == "close-run":
            command.add_argument("child", metavar="RUN", help="the run that was begun for it")
    command = commands.add_parser("group", help="run several steps, each when those that it needs have ended")
    command.add_argument("steps", metavar="STEPS", help="their ids, with spaces between them")
    command = commands.add_parser("left", help="name the runs of a capsule that have not ended")
    command.add_argument("path", metavar="PATH", help="of its step, with those it is inside: outer/inner")
    command = commands.add_parser("begin", help="store a run that was submitted with the engine's own tools")
    command.add_argument("--plan", type=Path, required=True, metavar="FOLDER", help="where the plan and its files are")
    commands.add_parser("end-inside", help="end the runs of its capsules that nothing will go on with")
    commands.add_parser("end", help="record how the run ended")
    return parser


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise EngineError(f"{name} is not set; the engine that starts this program sets it")
    return value


def _say(text: str, exit_code: Exit, answers: Answers) -> Exit:
    with suppress(OSError):  # of a disk that takes no more
        answers.why(text)
    with suppress(OSError):
        print(f"error: {text}", file=sys.stderr, flush=True)
    return exit_code


def process() -> NoReturn:
    """The whole process: it ends at once, because threads of the store's library may not outlive the interpreter.

    One that asks for the interpreter's lock while Python takes itself down is aborted, and the process with it.
    """
    exit_code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # who reads it may be gone
            stream.flush()
    os._exit(exit_code)


if __name__ == "__main__":
    process()
