"""What a value of the wrong kind was probably meant to be: the help that shows it, and the edit that writes it."""

from __future__ import annotations

import re
from typing import NamedTuple

from somagent.governance.documents.diagnostic import Edit
from somagent.governance.documents.forms import completed
from somagent.governance.documents.nodes import MappingNode, Node, ScalarNode, SequenceNode
from somagent.governance.documents.resolve import NotFinite, other_meaning, resolve
from somagent.governance.documents.shape import Shape
from somagent.governance.documents.source import Source, Span

_PLAIN = re.compile(r"[A-Za-z0-9./_-](?:[A-Za-z0-9./_ -]*[A-Za-z0-9./_-])?")
_COMMENT = re.compile(r"[ \t]*(#[^\r\n]*)")
_LONGEST = 60
_OTHER_WORDS = {
    "bool": ("boolean", ""),
    "str": ("string", ""),
    "text": ("string", ""),
    "int": ("integer", ""),
    "float": ("number", ""),
    "double": ("number", ""),
    "list": ("array", ""),
    "dict": ("object", ""),
    "map": ("object", ""),
    "mapping": ("object", ""),
    "choice": ("string", "a choice is `type: string` with `enum: [...]`"),
    "file": ("artifact", "a step gives an `artifact`; an input takes a path, `{ type: string, format: path }`"),
    "path": ("string", "a path is `{ type: string, format: path }`"),
}
"""What other languages call a type, and what there is to say beside its name here."""


class WayOut(NamedTuple):
    """How a mistake is mended: in words, and as a change of the text where that is certain enough to offer."""

    help: str = ""
    edit: Edit | None = None
    note: str = ""


def of_wrong_type(node: Node, shape: Shape, source: Source | None) -> WayOut:
    """The way out for a value that is of another kind than its place."""
    lone = _lone(node, shape)
    if lone is not None:
        return lone
    if isinstance(node, ScalarNode):
        if shape.instead and type(node.value) is bool:
            return WayOut(shape.instead)
        return _of_scalar(node, shape, source)
    if MappingNode in shape.types:
        return WayOut("write `name: value` lines, indented below it")
    return WayOut()


def other_word(node: ScalarNode, choices: list[str]) -> WayOut | None:
    """The way out for a word that other languages have for one of the choices."""
    word, help_ = _OTHER_WORDS.get(node.text, ("", ""))
    if word not in choices:
        return None
    edit = Edit(node.span, word, f"write `{word}`", safe=not help_)
    return WayOut(help_, edit, f"did you mean `{word}`?")


def written(text: str) -> str:
    """A text as it can stand anywhere in a document, in quotes where it needs them."""
    if _PLAIN.fullmatch(text) and type(unquoted(text)) is str and other_meaning(text) is None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquoted(text: str) -> object:
    """What a text would be without quotes."""
    try:
        return resolve(text)
    except NotFinite:
        return text


def brief(text: str) -> str:
    """A text as messages show it."""
    text = text.replace("\n", " ")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def fits(node: Node, shape: Shape) -> bool:
    """Whether a value alone is of the kind and form of a shape; what is in a mapping is not looked at."""
    if isinstance(node, SequenceNode):
        return SequenceNode in shape.types and all(fits(item, shape.items) for item in node.items)
    if isinstance(node, MappingNode):
        return False
    value = node.value
    if shape.types and type(value) not in shape.types:
        return False
    if shape.enum is not None and value not in shape.enum:
        return False
    return not (isinstance(value, str) and shape.pattern is not None and not shape.pattern.search(value))


def _lone(node: Node, shape: Shape) -> WayOut | None:
    """A value that stands for the mapping: it belongs under the one field that such a value can be."""
    if MappingNode not in shape.types:
        return None
    meant: list[tuple[str, str | None]] = []
    value = _in_flow(node)
    for name in shape.lone:
        field = shape.fields[name]
        if fits(node, field):
            meant.append((name, f"{{ {name}: {value} }}" if value is not None else None))
        elif SequenceNode in field.types and isinstance(node, ScalarNode) and node.text and fits(node, field.items):
            meant.append((name, f"{{ {name}: [{value}] }}" if value is not None else None))
    if not meant:
        return None
    shown = [f"`{brief(text)}`" if text else f"it under `{name}:`" for name, text in meant]
    (name, text), *others = meant
    edit = None if others or text is None else Edit(node.span, text, f"write it under `{name}`", safe=True)
    return WayOut("write " + " or ".join(shown), edit)


def _in_flow(node: Node) -> str | None:
    """A value as it can stand between braces on one line."""
    if isinstance(node, SequenceNode):
        items = [_in_flow(item) for item in node.items]
        return "[" + ", ".join(str(item) for item in items) + "]" if None not in items else None
    if isinstance(node, MappingNode) or "\n" in node.text:
        return None
    return written(node.value) if isinstance(node.value, str) else node.text


def _of_scalar(node: ScalarNode, shape: Shape, source: Source | None) -> WayOut:
    if node.value is None and source is not None and str in shape.types:
        swallowed = _COMMENT.match(source.text, node.span.end)
        if swallowed:
            return _swallowed(swallowed, node, shape)
    in_form = shape.pattern is None or shape.pattern.search(node.text)
    if str in shape.types and node.text and in_form:
        return WayOut("quote it", Edit(node.span, f'"{node.text}"', "quote it", safe=True))
    if type(node.value) is str and type(unquoted(node.text)) in shape.types:
        return WayOut("take the quotes away", Edit(node.span, node.text, "take the quotes away", safe=True))
    if shape.pattern is not None and type(node.value) in {int, float} and shape.types == (str,):
        whole = completed(node.text, shape.pattern.search)
        return WayOut(f"such as `{whole}`" if whole else "")
    if SequenceNode in shape.types and node.value is not None:
        return _list(node, shape)
    if MappingNode in shape.types:
        return WayOut("write `name: value` lines, indented below it")
    return WayOut()


def _list(node: ScalarNode, shape: Shape) -> WayOut:
    """A list of the one item that stands in its place, or of those that commas are between."""
    item = _in_flow(node)
    if item is None:
        return WayOut("write a list: lines that begin with `- `")
    parts = [part.strip() for part in node.text.split(",")]
    pattern = shape.items.pattern
    safe = fits(node, shape.items)
    if not safe and len(parts) > 1 and all(parts) and pattern is not None:
        item = ", ".join(map(written, parts))
    if not safe and type(node.value) not in shape.items.types:
        return WayOut("write a list")
    text = f"[{item}]"
    return WayOut(f"write a list: `{brief(text)}`", Edit(node.span, text, "write a list", safe=safe))


def _swallowed(comment: re.Match[str], node: ScalarNode, shape: Shape) -> WayOut:
    """Text that begins with `#` and is a comment therefore."""
    words = "an unquoted `#` begins a comment"
    text = comment[1].rstrip()
    meant = text.partition(" ")[0]
    if shape.pattern is None or not shape.pattern.search(meant):
        return WayOut(f"{words}: quote a text that begins with it")
    edit = Edit(Span(node.span.start, comment.start(1) + len(meant)), f' "{meant}"', "quote it")
    return WayOut(f'{words}: write `"{meant}"`', edit)
