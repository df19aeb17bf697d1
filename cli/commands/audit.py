"""`somagent audit`: who started, decided and cancelled, and whether that is what was written down."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from somagent.cli.exits import Exit, UserError
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import store_of
from somagent.governance.chain import Checked, check_chain
from somagent.workflows.engines.local import audit


def run(arguments: Namespace) -> int:
    """`verify` exits with 1 when an entry is not as it was written."""
    if arguments.what == "print":
        if arguments.head or arguments.file:
            raise UserError("`--head` and `--file` are for `somagent audit verify`")
        for line in audit.lines(store_of(arguments)):
            sys.stdout.write(line.decode() + "\n")
        return Exit.OK
    found = _checked(arguments)
    if arguments.output == "json":
        print_json({"entries": found.entries, "head": found.head, "fault": found.fault or None})
    elif found.fault:
        print(f"✗ {visible(found.fault)}")
        print(f"    {found.entries:,} entries hold")
    else:
        print(f"✓ {found.said}")
        print(f"    head: {found.head or 'none'}")
    return Exit.FAILED if found.fault else Exit.OK


def _checked(arguments: Namespace) -> Checked:
    if arguments.file is None:
        return audit.check(store_of(arguments), arguments.head)
    return check_chain(Path(arguments.file).read_bytes().splitlines(), arguments.head)
