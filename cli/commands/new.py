"""`somagent new`: a small capsule that works, to change into your own."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from pathlib import Path

from somagent.cli.arguments import DATA_DIRECTORY
from somagent.cli.compiling import installed
from somagent.cli.exits import UserError
from somagent.workflows import capsules

_TEMPLATE = Path(__file__).parent.parent / "templates" / "minimal.capsule.yaml"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def run(arguments: Namespace) -> int:
    """Writes NAME.capsule.yaml, and the schema that editors complete and check it with."""
    name: str = arguments.name.removesuffix(capsules.SUFFIX)
    if not _NAME.fullmatch(name):
        raise UserError(f"`{name}` is not a DNS name like `repo-health`: small letters, digits and hyphens")
    path = Path(name + capsules.SUFFIX)
    if path.exists() and not arguments.force:
        raise UserError(f"`{path}` is there already; `--force` overwrites it")
    try:
        path.write_text(
            _TEMPLATE.read_text(encoding="utf-8").replace("name: hello ", f"name: {name} ", 1), encoding="utf-8"
        )
        schema = Path(DATA_DIRECTORY) / "capsule.schema.json"
        schema.parent.mkdir(exist_ok=True)
        schema.write_text(json.dumps(installed().language.schema, indent=1) + "\n", encoding="utf-8")
        ignore = schema.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise UserError(f"cannot write `{error.filename}`: {(error.strerror or str(error)).lower()}") from None
    print(f"wrote {path}")
    print(f"  try: somagent check {path}")
    print(f"       somagent run {path}")
    return 0
