"""The JSON Schema of capsules as a file beside them, for editors that know no language server of ours."""

from __future__ import annotations

import json
from pathlib import Path

from somagent.capsule_compiler.language import Language
from somagent.cli.arguments import DATA_DIRECTORY
from somagent.cli.exits import UserError


def write_schema(language: Language) -> Path:
    """Writes it, and keeps git from taking it; raises `UserError`. Where it is, from the current folder."""
    path = Path(DATA_DIRECTORY) / "capsule.schema.json"
    ignore = path.parent / ".gitignore"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(language.schema, indent=1) + "\n", encoding="utf-8")
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write `{error.filename}`: {(error.strerror or str(error)).lower()}") from None
    return path
