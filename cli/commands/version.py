"""`somagent --version`."""

from __future__ import annotations

from argparse import Namespace


def run(_: Namespace) -> int:
    """Prints name and version."""
    from importlib.metadata import version  # noqa: PLC0415  25 ms

    print("somagent", version("somagent"))
    return 0
