"""Decisions from the command line: written down first, then the run goes on."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import Namespace
from datetime import UTC, datetime

from somagent.cli.compiling import installed
from somagent.cli.evidence import evidence
from somagent.cli.exits import Exit, UserError
from somagent.cli.given import given_answers
from somagent.cli.identity import acting, proof
from somagent.cli.printing import print_json, visible
from somagent.cli.prompting import is_terminal, read_line
from somagent.cli.runs import data_directory, open_engine, run_object
from somagent.cli.streams import endure
from somagent.cli.way_on import way_on
from somagent.cli.working import work
from somagent.operators.deciding import outcome, question_of
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.protocol import DataDirectoryHeld, DecisionRefused, NotTakenUp, RunView
from somagent.workflows.engines.run_names import find_run, top_of
from somagent.workflows.identity import FOLDER, Person, on_whose_word
from somagent.workflows.named_steps import Named, asked_step

_LOOKS, _LOOK_S = 10, 0.1


def decide(arguments: Namespace, *, approve: bool) -> int:
    """Writes the decision down; unless another process holds the data directory, goes on with the run here.

    Exit code by the run's phase; of a rejection that made the run fail, as it should, 0, and so of a decision that
    others came to a moment before.
    """
    who = acting(arguments)
    engine = open_engine(arguments, installed().operators)
    run_id = find_run(engine, arguments.run)
    asked = asked_step(engine.view(run_id), arguments.step)
    waiting = asked.step.waiting
    if (
        arguments.output == "text"
        and not arguments.yes
        and is_terminal()
        and not _sure(asked, engine, run_id, arguments)
    ):
        raise UserError("nothing was written down")
    decision = Decision(
        step=asked.step.id,
        item=asked.step.item,
        **on_whose_word(who),
        question=question_of(waiting) if waiting is not None else "",
        approve=approve,
        outputs=given_answers(arguments, waiting) if approve and waiting is not None else {},
        comment=arguments.comment,
        at=datetime.now(UTC),
    )
    not_yet = ""
    try:
        asyncio.run(engine.signal(asked.view.run.id, decision, token=proof(arguments)))
    except DecisionRefused as refused:
        others = _came_to_the_same(engine, asked, decision)
        if others:
            said = f"{arguments.step} is {'approved' if approve else 'rejected'} already, by {others}"
            said += "; yours is not needed, and is not written down"
            return written_down(engine, engine.view(top_of(run_id)), said, arguments)
        raise UserError(f"{refused}{_way_out(arguments, asked, who)}") from None
    except NotTakenUp as late:
        not_yet = str(late)
    endure()
    run_id = top_of(run_id)
    said = f"{'approved' if approve else 'rejected'} {arguments.step} as {who.name}"
    view = engine.view(run_id)
    if not_yet:
        sys.stderr.write(f"warning: {visible(not_yet)}\n")
        print_json(run_object(view)) if arguments.output == "json" else print(visible(said))
        return Exit.OK
    if arguments.no_resume or view.held_by is not None:
        return written_down(engine, view, said, arguments)

    async def start() -> str:
        await engine.hold()
        if arguments.output == "text":
            print(f"{visible(said)}; the run goes on here", flush=True)
        return run_id

    try:
        exit_code = work(engine, start, arguments)
    except DataDirectoryHeld:
        return written_down(engine, engine.view(run_id), said, arguments)
    return Exit.OK if not approve and exit_code == Exit.FAILED else exit_code


def written_down(engine: OpenEngine, view: RunView, said: str, arguments: Namespace) -> int:
    """Says what was written down, and who goes on with the run or how; exit code 0."""
    engine.close()
    if arguments.output == "json":
        print_json(run_object(view))
        return Exit.OK
    view, resume = _taken_up(engine, view), way_on(arguments, "resume", view.run.id)
    pid = engine.holder()
    who = f"process {view.held_by}" if view.held_by is not None else engine.who_works(view.run.id)
    if who:
        how = "" if arguments.command == "cancel" else f"; {who} goes on"
    elif view.ended_at is not None:
        how = f"; the run has ended: {view.phase}"
    elif pid is not None:
        how = f"; process {pid} is at work here; when it has ended, go on: {resume}"
    else:
        how = f"; go on: {resume}"
    print(f"{visible(said)}{how}")
    return Exit.OK


def _came_to_the_same(engine: OpenEngine, asked: Named, decision: Decision) -> str:
    """Who answered the question in this way before, so that nothing is left to decide; empty when nobody has."""
    if asked.step.waiting is None:
        return ""
    view = engine.view(asked.view.run.id)
    own = [one for one in view.decisions if (one.step, one.item) == (decision.step, decision.item)]
    end = outcome(asked.step.waiting, own, submitter=view.run.started_by, now=decision.at)
    same = end is not None and end.kind == ("approved" if decision.approve else "rejected")
    return ", ".join(one.by for one in end.deciding) if end is not None and same else ""


def _taken_up(engine: OpenEngine, view: RunView) -> RunView:
    """The run, after who works here had time to take it up: two who decide at once both want to go on with it."""
    for _ in range(_LOOKS):
        known = view.held_by is not None or view.ended_at is not None or engine.who_works(view.run.id)
        if known or engine.holder() is None:
            break
        time.sleep(_LOOK_S)
        view = engine.view(view.run.id)
    return view


def _sure(asked: Named, engine: OpenEngine, run_id: str, arguments: Namespace) -> bool:
    """Shows the evidence, and asks whether that is what was meant."""
    sys.stderr.write("".join(f"{line}\n" for line in evidence(asked, engine.view(run_id), engine.contents, arguments)))
    sys.stderr.write(f"  {arguments.command}? [y/N] ")
    sys.stderr.flush()
    answer = asyncio.run(read_line()) or ""
    return answer.lower() in {"y", "yes", arguments.command}


def _way_out(arguments: Namespace, asked: Named, who: Person) -> str:
    """How somebody becomes a member of a group where nobody says who is one; empty when that is not the matter."""
    waiting, file = asked.step.waiting, data_directory(arguments) / FOLDER / "identity.yaml"
    if waiting is None or not waiting.groups or who.groups or file.exists():
        return ""
    return f"; who is in which group is said by {file}, which is not there"
