"""`somagent explain`: what a diagnostic's code means, with an example that fails and the same one mended."""

from __future__ import annotations

from argparse import Namespace

from somagent.capsule_compiler.diagnostics import CODES
from somagent.capsule_compiler.diagnostics.codes import Code
from somagent.capsule_compiler.diagnostics.explain import UnknownCode, explain
from somagent.cli.exits import UserError
from somagent.cli.printing import print_json


def run(arguments: Namespace) -> int:
    """Explains one code, or lists all."""
    if arguments.code is None:
        if arguments.output == "json":
            print_json([_record(code) for code in CODES])
            return 0
        for code in CODES:
            mild = "" if code.severity == "error" else f" ({code.severity})"
            print(f"{code.number}  {code.name:<34}  {code.meaning}{mild}")
        return 0
    try:
        explanation = explain(arguments.code)
    except UnknownCode as error:
        raise UserError(str(error)) from None
    if arguments.output == "json":
        print_json(explanation)
    else:
        print(explanation.text, end="")
    return 0


def _record(code: Code) -> dict[str, str]:
    return {"code": code.number, "name": code.name, "severity": code.severity, "meaning": code.meaning}
