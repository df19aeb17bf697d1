"""What to write where a value may not be there: it can be typed as it is shown, in the place of the value."""

from __future__ import annotations

from somagent.capsule_compiler.draft import Draft, Expression
from somagent.governance.cel import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    ListType,
    MapType,
    ObjectType,
    Reference,
    Type,
)
from somagent.governance.documents import Span, plainest

_LONGEST = 120  # of a whole value that is shown
_CONSTANTS: dict[Type, str] = {BOOL: "false", INT: "0", DOUBLE: "0.0", STRING: "''", NULL: "null", DYN: "null"}


def with_default(draft: Draft, one: Expression, read: Span, asked: str, type_: Type) -> str:
    """`has(asked) ? read : constant`, in quotes where YAML needs them; empty where no constant fits (an artifact)."""
    node = draft.scalar(one)
    raw = draft.source.text[node.span.start : node.span.end]
    whole = node.text[read.start : read.end]
    constant = _constant(type_)
    if not constant:
        return ""
    if raw[:1] == "'":
        constant = constant.replace("'", '"')
    value = f"dyn({whole})" if isinstance(type_, ObjectType) else whole
    text = f"has({asked}) ? {value} : {constant}"
    if read != one.expr.span:
        text = f"({text})"
    if raw[:1] == '"':
        return text.replace("\\", "\\\\").replace('"', '\\"')
    if raw[:1] in {"'", "|", ">"}:
        return text.replace("'", "''") if raw[:1] == "'" else text
    new = node.text[: read.start] + text + node.text[read.end :]
    written = plainest(new, in_block=any(char in node.text for char in ",[]{}"))
    if written == new:
        return text
    return written if len(written) <= _LONGEST else f"{text}`, with the value in quotes: `{written[0]}...{written[-1]}"


def type_of_read(draft: Draft, one: Expression, read: Reference) -> Type:
    """The type of a value that an expression reads, as far as names lead."""
    scopes = draft.scopes.get(one.step)
    if scopes is None:
        return DYN
    type_: Type = (scopes.inner if one.use == "argument" else scopes.outer).get(read.names[0], DYN)
    for name in read.names[1:]:
        match type_:
            case ObjectType(fields) if name in fields:
                type_ = fields[name].type
            case MapType(_, value):
                type_ = value
            case _:
                return DYN
    return type_


def _constant(type_: Type) -> str:
    match type_:
        case ListType():
            return "[]"
        case MapType():
            return "{}"
        case ObjectType():
            return "null"
        case _:
            return _CONSTANTS.get(type_, "")
