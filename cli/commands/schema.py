"""`somagent schema`: the JSON Schemas, for editors and programs."""

from __future__ import annotations

import sys
from argparse import Namespace

from somagent.capsule_compiler.crd import capsule_crd
from somagent.capsule_compiler.plan import Plan
from somagent.cli.compiling import installed
from somagent.cli.editor_schema import write_schema
from somagent.cli.exits import UserError
from somagent.cli.printing import print_json
from somagent.governance.constitution import ConstitutionFile
from somagent.governance.documents import model_schema, write_yaml
from somagent.workflows.testing.model import CapsuleTest

_MODELS: dict[str, type] = {"plan": Plan, "constitution": ConstitutionFile, "test": CapsuleTest}


def run(arguments: Namespace) -> int:
    """Prints the JSON Schema of a kind of document, or the definition of capsules for Kubernetes."""
    if arguments.install:
        if arguments.kind != "capsule":
            raise UserError("`--install` is for the schema of capsules")
        return _install()
    if arguments.kind == "crd":
        sys.stdout.write(write_yaml(capsule_crd(installed().language.catalogue)))
    elif arguments.kind == "capsule":
        print_json(installed().language.schema)
    else:
        print_json(model_schema(_MODELS[arguments.kind]))
    return 0


def _install() -> int:
    path = write_schema(installed().language)
    print(f"wrote {path}")
    print("  editors with yaml-language-server find it by the first line of a capsule:")
    print(f"    # yaml-language-server: $schema=./{path.as_posix()}")
    print("  or by a setting. VS Code, .vscode/settings.json:")
    print(f'    {{ "yaml.schemas": {{ "./{path.as_posix()}": "*.capsule.yaml" }} }}')
    print("  Neovim:")
    schemas = f'{{ ["./{path.as_posix()}"] = "*.capsule.yaml" }}'
    print(f'    vim.lsp.config("yamlls", {{ settings = {{ yaml = {{ schemas = {schemas} }} }} }})')
    return 0
