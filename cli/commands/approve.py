"""`somagent approve`: let a step that waits for people go on."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.deciding import decide


def run(arguments: Namespace) -> int:
    """Exit code by the run's phase."""
    return decide(arguments, approve=True)
