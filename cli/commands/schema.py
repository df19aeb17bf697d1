"""`somagent schema`: the JSON Schemas, for editors and programs."""

from __future__ import annotations

import sys
from argparse import Namespace

from somagent.capsule_compiler.crd import capsule_crd
from somagent.capsule_compiler.plan import Plan
from somagent.cli.compiling import installed
from somagent.cli.editor_schema import write_schemas
from somagent.cli.exits import UserError
from somagent.cli.printing import print_json
from somagent.governance.constitution import ConstitutionFile
from somagent.governance.documents import model_schema, write_yaml
from somagent.workflows.testing.schema import test_schema

_MODELS: dict[str, type] = {"plan": Plan, "constitution": ConstitutionFile}


def run(arguments: Namespace) -> int:
    """Prints the JSON Schema of a kind of document, or the definition of capsules for Kubernetes."""
    if arguments.install:
        if arguments.kind not in {"capsule", "test"}:
            raise UserError("`--install` is for the schemas of capsules and their tests")
        return _install()
    if arguments.kind == "crd":
        sys.stdout.write(write_yaml(capsule_crd(installed().language.catalogue)))
    elif arguments.kind == "capsule":
        print_json(installed().language.schema)
    elif arguments.kind == "test":
        print_json(test_schema())
    else:
        print_json(model_schema(_MODELS[arguments.kind]))
    return 0


def _install() -> int:
    capsule, test = (path.as_posix() for path in write_schemas(installed().language))
    settings = {f"./{capsule}": "*.capsule.yaml", f"./{test}": "tests/*.yaml"}
    print(f"wrote {capsule} and {test}")
    print("  editors with yaml-language-server find them by the first line of a capsule, and of its tests:")
    print(f"    # yaml-language-server: $schema=./{capsule}")
    print(f"    # yaml-language-server: $schema=../{test}")
    print("  or by a setting. VS Code, .vscode/settings.json:")
    pairs = ", ".join(f'"{path}": "{files}"' for path, files in settings.items())
    print(f'    {{ "yaml.schemas": {{ {pairs} }} }}')
    print("  Neovim:")
    schemas = ", ".join(f'["{path}"] = "{files}"' for path, files in settings.items())
    print(f'    vim.lsp.config("yamlls", {{ settings = {{ yaml = {{ schemas = {{ {schemas} }} }} }} }})')
    return 0
