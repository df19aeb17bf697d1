"""`somagent lsp`: the language server, for editors to start."""

from __future__ import annotations

import gc
import os
import sys
from argparse import Namespace

from somagent.cli.compiling import governing, installed
from somagent.cli.exits import UserError


def run(arguments: Namespace) -> int:
    """Serves one client over standard input and output, until it goes."""
    try:
        import pygls  # noqa: F401, PLC0415  of an extra; 0.3 s
    except ImportError:
        install = f"{sys.executable} -m pip install pygls"
        raise UserError(f"the language server needs pygls (the extra `editor`): {install}") from None
    from somagent.cli.checking import Checker  # noqa: PLC0415
    from somagent.cli.lsp.server import serve  # noqa: PLC0415

    checker = Checker(installed(), governing(arguments))
    gc.freeze()  # what is there now stays
    gc.enable()  # unlike a command, a server lives long
    with os.fdopen(os.dup(0), "rb") as stdin, os.fdopen(os.dup(1), "wb") as stdout:
        serve(checker, stdin, stdout)
    return 0
