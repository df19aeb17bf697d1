"""The expression language: a typed subset of CEL (Common Expression Language), checked before anything runs.

Inside belong syntax, types and meaning of expressions and of the `${{ }}` holes in text. What names an expression may
use is the caller's: capsules give inputs and steps, constitutions give attributes. No document, no file, no clock.
"""

from somagent.governance.cel.faults import FAULTS, EvaluationError, SyntaxFault
from somagent.governance.cel.syntax import Expr
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
    ObjectType,
    OpaqueType,
    Type,
    show,
)

__all__ = [
    "BOOL",
    "DOUBLE",
    "DYN",
    "FAULTS",
    "INT",
    "NULL",
    "STRING",
    "EvaluationError",
    "Expr",
    "Field",
    "ListType",
    "MapType",
    "ObjectType",
    "OpaqueType",
    "SyntaxFault",
    "Type",
    "show",
]
