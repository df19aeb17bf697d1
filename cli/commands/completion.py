"""`somagent completion`: a script for the shell, written from the command line's own description."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.arguments import build_parser


def run(arguments: Namespace) -> int:
    """Prints the script; `eval "$(somagent completion bash)"` uses it."""
    import shtab  # noqa: PLC0415  needed here only

    print(shtab.complete(build_parser(), shell=arguments.shell))
    return 0
