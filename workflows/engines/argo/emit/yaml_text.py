"""Objects as the text of YAML documents, fast and the same on every machine, and read alike by 1.1 and 1.2.

What a reader could take for anything but text is quoted: kubectl reads YAML 1.1, where `n` is a boolean, and Go takes
`1e3` for a number, which a digest may look like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_WORD = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)
_NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LINES = re.compile("[^\\s\x00-\x1f](?:[^\x00-\x08\x0b-\x1f])*\n(?<!\n\n)")  # text that a literal block keeps as it is


def write_documents(documents: Iterable[Any]) -> str:
    """A stream of block-style documents; keys in their order."""
    return "".join(f"---\n{''.join(_lines(one, '', ''))}" for one in documents)


def _lines(value: Any, pad: str, lead: str) -> Iterator[str]:
    """The lines of a mapping or list; `lead` is what stands before the first one, `pad` before all others."""
    if isinstance(value, dict):
        for key, below in value.items():
            if isinstance(below, str) and _LINES.fullmatch(below) and not _ESCAPED.search(below):
                yield f"{lead}{_scalar(key)}: |\n"
                yield from (f"{pad}  {line}" if line != "\n" else line for line in below.splitlines(keepends=True))
            elif not (isinstance(below, dict | list) and below):
                yield f"{lead}{_scalar(key)}: {_scalar(below)}\n"
            else:
                yield f"{lead}{_scalar(key)}:\n"
                inside = pad if isinstance(below, list) else f"{pad}  "
                yield from _lines(below, inside, inside)
            lead = pad
        return
    for below in value:
        if isinstance(below, dict | list) and below:
            yield from _lines(below, f"{pad}  ", f"{lead}- ")
        else:
            yield f"{lead}- {_scalar(below)}\n"
        lead = pad


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        if _WORD.fullmatch(value) and value.lower() not in _NOT_TEXT:
            return value
        return _ESCAPED.sub(lambda one: f"\\u{ord(one[0]):04x}", json.dumps(value, ensure_ascii=False))
    return json.dumps(value)
