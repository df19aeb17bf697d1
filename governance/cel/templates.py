"""Text with holes: `Design a ${{ inputs.language }} service`. A hole that is the whole text keeps its value's type."""

from __future__ import annotations

import re

from msgspec import Struct

from somagent.governance.cel import lexer
from somagent.governance.cel.faults import SyntaxFault
from somagent.governance.cel.parser import MAX_LENGTH, SPLIT, parse_range
from somagent.governance.cel.syntax import Expr
from somagent.governance.documents import Diagnostic, Edit, Span

OPEN, CLOSE = "${{", "}}"
ESCAPED = "$${{"
_SIMPLE = re.compile(r"[^'\"`{}/]*\}\}")  # no string, comment or map in which the braces could stand


class Hole(Struct, frozen=True, gc=False):
    """`${{ expr }}`; `text` is what stands between the braces, `span` goes from `${{` to `}}`, both included."""

    expr: Expr
    text: str
    span: Span


class Template(Struct, frozen=True, gc=False):
    """A text in parts; the spans in it count from the beginning of the text."""

    parts: tuple[str | Hole, ...]

    @property
    def whole(self) -> bool:
        """Whether the text is exactly one hole, so that its value keeps its type."""
        return len(self.parts) == 1 and isinstance(self.parts[0], Hole)

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The holes, in the order written."""
        return tuple(part for part in self.parts if isinstance(part, Hole))


def has_holes(text: str) -> bool:
    """Whether `parse_template` would find more than plain text: a hole, or an escaped one."""
    return OPEN in text


def parse_template(text: str) -> Template:
    """Split a text into plain parts and holes; `$${{` stands for a plain `${{`.

    Raises `SyntaxFault` with the mistakes of all holes together.
    """
    template, faults = read_template(text)
    if faults:
        raise SyntaxFault(faults)
    return template


def read_template(text: str) -> tuple[Template, tuple[Diagnostic, ...]]:
    """The same, but for the mistakes, which come beside a template of the holes that have none."""
    parts: list[str | Hole] = []
    faults: list[Diagnostic] = []
    plain = ""
    at = 0
    while (found := text.find(OPEN, at)) >= 0:
        if found > at and text[found - 1] == "$":
            plain += text[at : found - 1] + OPEN
            at = found + len(OPEN)
            continue
        plain += text[at:found]
        if plain:
            parts.append(plain)
        plain = ""
        hole, at, wrong = _read_hole(text, found)
        faults += wrong
        if hole is not None:
            parts.append(hole)
    plain += text[at:]
    if plain:
        parts.append(plain)
    return Template(tuple(parts)), tuple(faults)


def _read_hole(text: str, start: int) -> tuple[Hole | None, int, tuple[Diagnostic, ...]]:
    """The hole that opens at `start`, where reading goes on, and what is wrong with it."""
    inside = start + len(OPEN)
    end = _find_close(text, inside)
    if end is None:
        message = "this `${{` is never closed by `}}`"
        edit = Edit(Span(start, start + len(OPEN)), ESCAPED, "write `$${{` when plain text is meant")
        fault = Diagnostic("unclosed-hole", message, Span(start, start + len(OPEN)), help=edit.title, edit=edit)
        return None, len(text), (fault,)  # nothing after it can be closed either
    after = end + len(CLOSE)
    span = Span(start, after)
    written = text[inside:end].strip()
    if not written:
        help_ = f"write one between the braces; a plain `{OPEN}` is written `{ESCAPED}`"
        return None, after, (Diagnostic("empty-hole", "there is no expression in this hole", span, help=help_),)
    if end - inside > MAX_LENGTH:
        message = f"an expression has at most {MAX_LENGTH} characters; this one has {end - inside}"
        return None, after, (Diagnostic("expression-too-long", message, span, help=SPLIT),)
    try:
        return Hole(parse_range(text, inside, end), written, span), after, ()
    except SyntaxFault as fault:
        return None, after, fault.diagnostics


def _find_close(text: str, at: int) -> int | None:
    """Where the hole's `}}` begins: outside of strings and comments, and not the braces of a map inside.

    Text that cannot be read as tokens ends at the next `}}`, so that the mistakes of later holes are still found.
    """
    simple = _SIMPLE.match(text, at)
    if simple is not None:
        return simple.end() - len(CLOSE)
    braces = 0
    inside = at
    try:
        while True:
            token = lexer.next_token(text, at, len(text))
            if token.kind == "end":
                break
            if token.text == "{":
                braces += 1
            elif token.text == "}" and braces:
                braces -= 1
            elif token.text == "}" and text.startswith(CLOSE, token.start):
                return token.start
            at = token.end
    except SyntaxFault:
        pass
    end = text.find(CLOSE, inside)
    return None if end < 0 else end
