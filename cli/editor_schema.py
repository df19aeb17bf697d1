"""The JSON Schemas of capsules and their tests as files, for editors that know no language server of ours."""

from __future__ import annotations

import json
from pathlib import Path

from somagent.capsule_compiler.language import Language
from somagent.cli.exits import UserError
from somagent.workflows.directories import DATA_DIRECTORY
from somagent.workflows.testing.schema import test_schema

CAPSULE, TEST = "capsule.schema.json", "test.schema.json"


def write_schemas(language: Language) -> tuple[Path, Path]:
    """Writes them, and keeps git from taking them; raises `UserError`. Where they are, from the current folder."""
    folder = Path(DATA_DIRECTORY)
    capsule, test = folder / CAPSULE, folder / TEST
    ignore = folder / ".gitignore"
    try:
        folder.mkdir(exist_ok=True)
        for path, schema in ((capsule, language.schema), (test, test_schema())):
            path.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write `{error.filename}`: {(error.strerror or str(error)).lower()}") from None
    return capsule, test
