"""The expression language: a typed subset of CEL (Common Expression Language), checked before anything runs.

Inside belong syntax, types and meaning of expressions and of the `${{ }}` holes in text. What names an expression may
use is the caller's: capsules give inputs and steps, constitutions give attributes. No document, no file, no clock.
The subset is described in `docs/expressions.md`.
"""

from somagent.governance.cel.border import BorderError, from_json, render_text, to_json
from somagent.governance.cel.checker import Checked, OptionalMember, check, node_types
from somagent.governance.cel.cost import Cost, Loop, Size, estimate
from somagent.governance.cel.evaluator import MAX_STEPS, compile_expr, evaluate
from somagent.governance.cel.faults import FAULTS, EvaluationError, SyntaxFault
from somagent.governance.cel.parser import MAX_DEPTH, MAX_LENGTH, parse
from somagent.governance.cel.references import Reference, references
from somagent.governance.cel.syntax import Expr
from somagent.governance.cel.templates import Hole, Template, has_holes, parse_template, read_template
from somagent.governance.cel.types import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Field,
    ListType,
    MapType,
    Members,
    ObjectType,
    OpaqueType,
    SimpleType,
    Type,
    closed_parts,
    show,
)
from somagent.governance.cel.values import Value
from somagent.governance.cel.writer import write

__all__ = [
    "BOOL",
    "DOUBLE",
    "DYN",
    "FAULTS",
    "INT",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_STEPS",
    "NULL",
    "STRING",
    "BorderError",
    "Checked",
    "Cost",
    "EvaluationError",
    "Expr",
    "Field",
    "Hole",
    "ListType",
    "Loop",
    "MapType",
    "Members",
    "ObjectType",
    "OpaqueType",
    "OptionalMember",
    "Reference",
    "SimpleType",
    "Size",
    "SyntaxFault",
    "Template",
    "Type",
    "Value",
    "check",
    "closed_parts",
    "compile_expr",
    "estimate",
    "evaluate",
    "from_json",
    "has_holes",
    "node_types",
    "parse",
    "parse_template",
    "read_template",
    "references",
    "render_text",
    "show",
    "to_json",
    "write",
]
