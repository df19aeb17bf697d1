"""Text to tokens, after the lexical rules of the CEL grammar (cel-spec, doc/langdef.md, "Syntax").

The lexer reads from any place of a longer text, so that a hole of a template is read where it stands and every span
is already right.
"""

from __future__ import annotations

import re
from typing import get_args

from msgspec import Struct

from somagent.governance.cel.faults import SyntaxFault
from somagent.governance.cel.syntax import MacroName
from somagent.governance.documents import Diagnostic, Edit, Span

RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package"}
    | {"namespace", "return", "var", "void", "while"}
)
"""Words that CEL keeps for later; they cannot name a variable, but may name a field."""

KEYWORDS = frozenset({"true", "false", "null", "in"})


class Token(Struct, frozen=True, gc=False):
    """`kind` is a group name of the lexer's pattern, or "end"."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where it stands."""
        return Span(self.start, self.end)


_STRING = (
    r"(?:[rR](?:\"\"\"(?s:.*?)\"\"\"|'''(?s:.*?)'''|\"[^\"\r\n]*\"|'[^'\r\n]*')"
    r"|\"\"\"(?:\\(?s:.)|[^\\])*?\"\"\"|'''(?:\\(?s:.)|[^\\])*?'''"
    r"|\"(?:\\[^\r\n]|[^\"\\\r\n])*\"|'(?:\\[^\r\n]|[^'\\\r\n])*')"
)
_BLANK = r"[\t\ \r\n\f]*+(?://[^\n]*+[\t\ \r\n\f]*+)*+"  # possessive: a comment is never given back
_SKIPPED = re.compile(_BLANK)
_TOKEN = re.compile(
    rf"""
    {_BLANK}(?:
    (?P<name>(?:[AC-QS-Zac-qs-z_]|(?![bB]?{_STRING})[BbRr])[A-Za-z0-9_]*)
    |(?P<operator>\.(?![0-9])|[,()\[\]]|==|!=|<=|>=|&&|\|\||[-+*/%<>!?:{{}}])
    |(?P<bytes>[bB]{_STRING})
    |(?P<string>{_STRING})
    |(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU](?![A-Za-z0-9_]))
    |(?P<int>0x[0-9a-fA-F]+|[0-9]+)
    |(?P<quoted>`[A-Za-z0-9_.\-/\ ]+`)
    |(?P<end>\Z))
    """,
    re.VERBOSE,
)
_NUMBERS = frozenset({"int", "float", "uint"})
_MEMBERS = re.compile(r"(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_WORD = re.compile(r"[A-Za-z0-9_]+")
_INSTEAD = {"=": "==", "&": "&&", "|": "||", "“": '"', "”": '"', "‘": "'", "’": "'"}

_TURNED = {"=>": ">=", "=<": "<=", "=!": "!="}
_MACROS = frozenset(get_args(MacroName))
_BEFORE_ARROW = re.compile(
    r"\.(?P<macro>[A-Za-z_]\w*)\(\s*(?P<from>(?P<name>[A-Za-z_]\w*)|\(\s*(?P<inner>[A-Za-z_]\w*)\s*\))\s*\Z", re.ASCII
)
_OPERATOR = frozenset("<>=!&|")


def next_token(text: str, start: int, end: int) -> Token:
    """The token at or after `start`; blanks and `//` comments are passed over. Raises `SyntaxFault`."""
    match = _TOKEN.match(text, start, end)
    if match is None:
        skipped = _SKIPPED.match(text, start, end)
        raise SyntaxFault((_unreadable(text, skipped.end() if skipped else start, end),))
    kind: str = match.lastgroup  # type: ignore[assignment]  # every alternative is a group
    written, last = match[kind], match.end()
    token = Token(kind, written, last - len(written), last)
    if kind in _NUMBERS:
        _check_number_ends(text, token, end)
    return token


def members_at(text: str, start: int, end: int) -> list[str]:
    """The names that follow dots without a blank from `start` on, as in `.a.b`; none when a keyword is among them."""
    match = _MEMBERS.match(text, start, end)
    names = match[0].split(".")[1:] if match is not None else []
    return names if KEYWORDS.isdisjoint(names) else []


def _check_number_ends(text: str, number: Token, end: int) -> None:
    tail = _WORD.match(text, number.end, end)
    if tail is not None:
        span = Span(number.start, tail.end())
        message = f"`{text[span.start : span.end]}` is not a number"
        raise SyntaxFault((Diagnostic("invalid-literal", message, span, help="numbers look like 7, 0x1f, 0.5, 1e3"),))


def _unreadable(text: str, start: int, end: int) -> Diagnostic:
    character = text[start]
    if character in "\"'" or text[start : start + 2].lower() in ('r"', "r'", 'b"', "b'"):
        span = Span(start, end)
        return Diagnostic("expression-syntax", "this string is never closed", span, help="end it with the same quote")
    if character == "`":
        message = "a name in backquotes holds letters, digits, `_`, `.`, `-`, `/` and blanks, and is closed"
        return Diagnostic("expression-syntax", message, Span(start, start + 1), help='any key can be written x["..."]')
    span = Span(start, start + 1)
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    if character.isalpha():
        message, help_ = (
            "names are made of the letters a to z, digits and `_`",
            'any key of a map can be written x["..."]',
        )
        return Diagnostic("expression-syntax", message, span, help=help_)
    two = text[start : start + 2]
    arrow = _BEFORE_ARROW.search(text, 0, start) if two == "=>" else None
    if arrow is not None:
        name = arrow["name"] or arrow["inner"]
        edit = Edit(Span(arrow.start("from"), start + 2), f"{name},", "write a comma", safe=arrow["macro"] in _MACROS)
        message, help_ = (
            "`=>` is not an operator",
            f"a macro takes the name, a comma and the rest: {arrow['macro']}({name}, ...)",
        )
        return Diagnostic("expression-syntax", message, Span(start, start + 2), note="use `,`", help=help_, edit=edit)
    if two in _TURNED:
        span, right = Span(start, start + 2), _TURNED[two]
        edit = Edit(span, right, f"write `{right}`", safe=True)
        return Diagnostic("expression-syntax", f"`{two}` is not an operator", span, note=f"use `{right}`", edit=edit)
    before = text[max(0, start - 2) : start]
    if character == "=" and before in ("==", "!="):
        edit = Edit(span, "", f"write `{before}`", safe=True)
        message = f"`{before}=` is not an operator"
        return Diagnostic("expression-syntax", message, span, note=f"use `{before}`", edit=edit)
    instead = _INSTEAD.get(character)
    if instead is None:
        return Diagnostic("expression-syntax", f"`{shown}` has no meaning in an expression", span)
    alone = text[max(0, start - 1) : start] not in _OPERATOR and text[start + 1 : start + 2] not in _OPERATOR
    edit = Edit(span, instead, f"write `{instead}`", safe=character in "=&|" and alone)
    return Diagnostic("expression-syntax", f"`{shown}` is not an operator", span, note=f"use `{instead}`", edit=edit)
