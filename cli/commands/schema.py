"""`somagent schema`: the JSON Schemas, for editors and programs."""

from __future__ import annotations

from argparse import Namespace

from somagent.capsule_compiler.plan import Plan
from somagent.cli.compiling import installed
from somagent.cli.printing import print_json
from somagent.governance.constitution import ConstitutionFile
from somagent.governance.documents import model_schema


def run(arguments: Namespace) -> int:
    """Prints the schema of this installation's capsules, of plans, or of constitutions."""
    if arguments.kind == "capsule":
        print_json(installed().language.schema)
    else:
        print_json(model_schema(Plan if arguments.kind == "plan" else ConstitutionFile))
    return 0
