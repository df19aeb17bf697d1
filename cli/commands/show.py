"""`somagent show`: a run as it stands, or as it goes on."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace

from somagent.cli.elsewhere import Course, Watching
from somagent.cli.evidence import evidence
from somagent.cli.exits import Exit, exit_of
from somagent.cli.printing import print_json
from somagent.cli.runs import open_engine, run_object
from somagent.cli.summary import print_summary
from somagent.workflows.engines.run_names import find_run
from somagent.workflows.named_steps import waiting_steps
from somagent.workflows.pursuing import follow


def run(arguments: Namespace) -> int:
    """Prints the run; exit 0 whatever its phase, and by its phase where it was watched."""
    engine = open_engine(arguments)
    run_id = find_run(engine, arguments.run)
    if arguments.watch:
        try:
            asyncio.run(follow(engine, run_id, Watching(engine, Course(), arguments)))
        except KeyboardInterrupt:
            sys.stderr.write("not watched any more; the run goes on as before\n")
            return Exit.INTERRUPTED
    view = engine.view(run_id)
    if arguments.output == "json":
        print_json(run_object(view))
    else:
        print_summary(engine, view, arguments)
        for asked in waiting_steps(view):
            print("\n" + "\n".join(evidence(asked, view, engine.contents, arguments)))
    return exit_of(view.phase) if arguments.watch else Exit.OK
