"""`somagent report`: a run as one HTML file."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.printing import print_json, visible
from somagent.cli.runs import open_engine
from somagent.cli.working import write_run_report
from somagent.workflows.engines.run_names import find_run


def run(arguments: Namespace) -> int:
    """Writes the report and prints its path."""
    engine = open_engine(arguments)
    view = engine.view(find_run(engine, arguments.run))
    path = write_run_report(engine, view, arguments, arguments.to)
    if arguments.output == "json":
        print_json({"run": view.run.id, "report": path})
    else:
        print(visible(path))
    return 0
