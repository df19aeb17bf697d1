"""What libyaml says of text that is no YAML, in an author's words and with a way out."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from somagent.governance.documents.diagnostic import Diagnostic, Label
from somagent.governance.documents.source import Source, Span
from somagent.governance.documents.unquoted import unquoted_in_flow, unquoted_on_line


class _Fault(NamedTuple):
    message: str
    help: str
    at_opening: bool = False  # point to where the unfinished part begins, not to where reading stopped


_QUOTES = 'in double quotes `\\\\` is a backslash and `\\"` a quote; single quotes take text as it is'
_ALIGN = "align it with the lines that it belongs to, or indent it below one of them"
_COLON = "mapping values are not allowed in this context"
_FAULTS = {
    _COLON: _Fault("a `:` where no key can be", "quote a text that has `: ` in it; check the indentation of this line"),
    "did not find expected key": _Fault("this line does not continue the mapping", _ALIGN),
    "did not find expected '-' indicator": _Fault("this line does not continue the list", _ALIGN),
    "did not find expected ',' or ']'": _Fault(
        "`,` or `]` is missing in this list", "close the list, and quote items that have `, [ ] { }` in them"
    ),
    "did not find expected ',' or '}'": _Fault(
        "`,` or `}` is missing in this mapping", "close the mapping, and quote values that have `, [ ] { }` in them"
    ),
    "did not find expected node content": _Fault(
        "something is missing between these braces or brackets", "write what belongs there, and close them"
    ),
    "found unexpected end of stream": _Fault(
        "this text is never closed", "end it with the same quote", at_opening=True
    ),
    "found unknown escape character": _Fault("this is not an escape", _QUOTES),
    "did not find expected hexdecimal number": _Fault("this is not an escape", _QUOTES),
    "found invalid Unicode character escape code": _Fault("this escape is not a character", _QUOTES),
    "could not find expected ':'": _Fault(
        "this line has no `: `",
        "a key ends with a colon and a blank; text of several lines is quoted or begins with `|`",
    ),
    "found a tab character where an indentation space is expected": _Fault("a tab indents", "indent with spaces"),
    "found character that cannot start any token": _Fault("", ""),  # said with the character
    "did not find expected <document start>": _Fault(
        "the document has ended before this line", "indent it as the first line is, or take it out"
    ),
}
_UNCLOSED = frozenset({"did not find expected ',' or ']'", "did not find expected ',' or '}'"})
_SWALLOWED = re.compile(r"[:\[{,][ \t]+(#[^\r\n]*[\]}])[ \t]*$", re.MULTILINE)
_OPENINGS = {
    "while parsing a block mapping": "the mapping begins here",
    "while parsing a flow mapping": "the mapping begins here",
    "while parsing a block collection": "the list begins here",
    "while parsing a flow sequence": "the list begins here",
    "while scanning a simple key": "",
}


def syntax_diagnostic(source: Source, error: yaml.YAMLError) -> Diagnostic:
    """The diagnostic for an error of libyaml."""
    problem: str = str(getattr(error, "problem", None) or getattr(error, "context", None) or error)
    context = str(getattr(error, "context", None) or "")
    at = _index(source, getattr(error, "problem_mark", None) or getattr(error, "context_mark", None))
    opening = _index(source, getattr(error, "context_mark", None)) if context else at
    fault = _FAULTS.get(problem) or _Fault(f"not YAML: {problem}", "")
    here = source.text[at : at + 1]
    if not fault.message:
        fault = _character(here)
    elif here in {"}", "]"} and problem == "did not find expected key":
        fault = _Fault(f"`{here}` closes nothing", "take it out, or quote the text that it is in")
        opening = at
    unquoted = None
    if problem in _UNCLOSED:
        unquoted = unquoted_in_flow(source, opening, at)
    elif problem == _COLON:
        unquoted = unquoted_on_line(source, at)
    if unquoted is not None:
        return unquoted
    swallowed = _SWALLOWED.search(source.text, opening, at) if problem in _UNCLOSED else None
    if swallowed is not None:
        message, help_ = "an unquoted `#` begins a comment, and what would close this is in it", "quote the text"
        return Diagnostic("yaml-syntax", message, Span(*swallowed.span(1)), help=help_)
    if fault.at_opening:
        return Diagnostic("yaml-syntax", fault.message, Span(opening, opening + 1), help=fault.help)
    words = _OPENINGS.get(context, "")
    labels = (Label(Span(opening, opening + 1), words),) if words and opening != at else ()
    backslash = source.text.rfind("\\", max(0, at - 2), at + 1)
    if backslash >= 0 and context == "while parsing a quoted scalar":
        return Diagnostic("yaml-syntax", fault.message, Span(backslash, backslash + 2), help=fault.help)
    return Diagnostic("yaml-syntax", fault.message, Span(at, at + 1), labels=labels, help=fault.help)


def _index(source: Source, mark: Any) -> int:
    return min(mark.index, len(source.text)) if mark is not None else 0


def _character(character: str) -> _Fault:
    if character == "\t":
        return _Fault("a tab where YAML wants spaces", "indent with spaces")
    if character in {"|", ">"}:
        message = f"a text of several lines (`{character}`) cannot stand between `{{ }}` or `[ ]`"
        return _Fault(message, "write what is around it as a block, one key a line, or quote the text")
    shown = "a backquote" if character == "`" else f"`{character}`"
    return _Fault(f"plain text cannot begin with {shown}", "quote it")
