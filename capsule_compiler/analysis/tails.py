"""The end of an expression that is being typed: what stands before the cursor, and of which type it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from somagent.governance.cel import DYN, STRING, ListType, MapType, ObjectType, SyntaxFault, Type, check, parse
from somagent.governance.cel.lexer import Token, next_token
from somagent.governance.cel.parser import MACROS
from somagent.governance.documents import Span


class Tail(NamedTuple):
    """`of` is the type before the dot, None where a name begins; `typed` is what there is of the name."""

    of: Type | None
    typed: str
    quoted: bool  # inside `["...`
    scope: Mapping[str, Type]  # with the variables of the macros that are open here


def tail(text: str, scope: Mapping[str, Type]) -> Tail:
    """Reads an expression that ends at the cursor, as far as it can be read."""
    tokens, quoted = _tokens(text)
    typed = ""
    if quoted is not None:
        typed = quoted
    elif tokens and tokens[-1].kind == "name" and tokens[-1].span.end == len(text):
        typed = tokens.pop().text
    inner = _with_macros(text, tokens, scope)
    if quoted is not None:
        if tokens and tokens[-1].text == "[":
            return Tail(_type_of(_operand(text, tokens[:-1]), inner), typed, quoted=True, scope=inner)
        return Tail(STRING, typed, quoted=True, scope=inner)
    if tokens and tokens[-1].text == ".":
        return Tail(_type_of(_operand(text, tokens[:-1]), inner), typed, quoted=False, scope=inner)
    return Tail(None, typed, quoted=False, scope=inner)


def item_type(of: Type) -> Type:
    """What a macro's variable is, over a value of a type."""
    match of:
        case ListType(item):
            return item
        case MapType(key):
            return key
        case ObjectType():
            return STRING
        case _:
            return DYN


def _tokens(text: str) -> tuple[list[Token], str | None]:
    """The tokens, and the beginning of a string that the cursor is in; what cannot be read is passed over."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        try:
            token = next_token(text, at, len(text))
        except SyntaxFault as fault:
            start = fault.diagnostics[0].span.start
            if text[start : start + 1] in ("'", '"'):
                return tokens, text[start + 1 :]
            at = max(fault.diagnostics[0].span.end, at + 1)
            continue
        if token.kind == "end":
            break
        tokens.append(token)
        at = token.span.end
    return tokens, None


def _with_macros(text: str, tokens: Sequence[Token], scope: Mapping[str, Type]) -> Mapping[str, Type]:
    """The scope, and the variables of the macros whose parenthesis is open at the end."""
    opened: list[tuple[int, str | None]] = []  # at each open bracket: its token, and the variable of a macro
    inner = dict(scope)
    for index, token in enumerate(tokens):
        if token.text in ("(", "[", "{"):
            opened.append((index, _variable(tokens, index)))
        elif token.text in (")", "]", "}") and opened:
            opened.pop()
    for index, variable in opened:
        if variable is not None:
            inner[variable] = item_type(_type_of(_operand(text, tokens[: index - 2]), inner))
    return inner


def _variable(tokens: Sequence[Token], index: int) -> str | None:
    before = [token.text for token in tokens[max(0, index - 2) : index]]
    after = tokens[index + 1 : index + 3]
    if len(before) == 2 and before[0] == "." and before[1] in MACROS and len(after) == 2:
        return after[0].text if after[0].kind == "name" and after[1].text == "," else None
    return None


def _operand(text: str, tokens: Sequence[Token]) -> str:
    """The text of the longest chain of members, calls and indices that ends with the last token."""
    depth = 0
    start: Span | None = None
    wants_name = True  # before this place stands the end of a value
    for token in reversed(tokens):
        if token.text in (")", "]", "}"):
            if not depth and not wants_name and token.text != ")":
                break
            depth += 1
            wants_name = False
        elif token.text in ("(", "[", "{"):
            if not depth:
                break
            depth -= 1
            wants_name = depth == 0 and token.text in ("(", "[")
        elif not depth:
            if token.text == ".":
                wants_name = True
                continue
            if not wants_name or token.kind == "operator" or token.text in ("in",):
                break
            wants_name = False
        start = token.span
    return text[start.start : tokens[-1].span.end] if start is not None and tokens else ""


def _type_of(text: str, scope: Mapping[str, Type]) -> Type:
    try:
        return check(parse(text), scope).type if text.strip() else DYN
    except SyntaxFault:
        return DYN
