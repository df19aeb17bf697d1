"""`somagent reject`: stop a step that waits for people."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.deciding import decide


def run(arguments: Namespace) -> int:
    """Exit 0 when the rejection was written down and the run ended by it."""
    return decide(arguments, approve=False)
