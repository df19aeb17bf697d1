"""`somagent show`: a run as it stands."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.asking import waiting_steps
from somagent.cli.evidence import evidence
from somagent.cli.printing import print_json
from somagent.cli.runs import find_run, open_engine, run_object
from somagent.cli.summary import print_summary


def run(arguments: Namespace) -> int:
    """Prints the run; exit 0 whatever its phase."""
    engine = open_engine(arguments)
    view = engine.view(find_run(engine, arguments.run))
    if arguments.output == "json":
        print_json(run_object(view))
    else:
        print_summary(engine, view, arguments)
        for asked in waiting_steps(view):
            print("\n" + "\n".join(evidence(asked, view, arguments)))
    return 0
