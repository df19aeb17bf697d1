"""Where the comments of a document are: the reader's events leave them out, but layouts and suppressions need them.

Between two tokens of YAML there is nothing but white space and comments, so what libyaml takes for tokens says exactly
which `#` begins a comment; none inside quotes, plain texts or block scalars does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the C parser is not in the type stub's exports
from yaml.tokens import ScalarToken

from somagent.governance.documents.source import Source, Span

_COMMENT = re.compile(r"#[^\r\n\x85\u2028\u2029]*")  # line breaks of YAML 1.1, as libyaml knows them
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*")


def comments(source: Source) -> tuple[Span, ...]:
    """The span of each comment, in the order of the text: from its `#` to the end of the line, the break left out.

    Of a text that is not YAML, the comments before the place where reading stops.
    """
    return tuple(_comments(source.text)) if "#" in source.text else ()


def _comments(text: str) -> Iterator[Span]:
    at = 0
    sign = text.find("#")  # the next one that may begin a comment
    for token in _tokens(text):
        end = token.end_mark.index
        if end <= sign:
            at = end
            continue
        start = token.start_mark.index
        if start > at:
            yield from _between(text, at, start)
        if type(token) is ScalarToken and token.style is not None and token.style in "|>":
            header = _HEADER.match(text, start)
            comment = _COMMENT.match(text, header.end()) if header else None
            if comment:
                yield Span(*comment.span())
        at = max(at, end)
        sign = text.find("#", at)
        if sign < 0:
            return
    # The end of the stream is a token too: behind it there is nothing.


def _tokens(text: str) -> Iterator[Any]:
    parser = CParser(text)
    try:
        while token := parser.get_token():
            yield token
    except yaml.YAMLError:
        return
    finally:
        parser.dispose()


def _between(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _COMMENT.finditer(text, start, end):
        yield Span(*match.span())
