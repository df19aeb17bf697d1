"""Holds a document's tree against a shape and reports every mistake at its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from somagent.governance.documents.diagnostic import MAX_MISTAKES, Diagnostic, Edit
from somagent.governance.documents.forms import in_form
from somagent.governance.documents.locate import below_header, locator
from somagent.governance.documents.nearest import nearest
from somagent.governance.documents.nodes import MappingNode, Node, Path, ScalarNode, SequenceNode
from somagent.governance.documents.shape import Form, Shape
from somagent.governance.documents.source import Source, Span
from somagent.governance.documents.ways_out import WayOut, brief, of_wrong_type, other_word, written

HOLE: Final = "${{"

FAULTS = frozenset(
    {"unknown-field", "missing-field", "wrong-type", "not-one-of", "not-in-form", "out-of-range", "no-expression-here"}
)


_HOLES = re.compile(r"\$\{\{(?:[^}\n]|\}(?!\}))*(?:\}\})?")
_LAST_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$")
_SHOWN_FIELDS = 8
_LONGEST_NAME = 60

Elsewhere = Callable[[str, str, MappingNode, Source], WayOut | None]
"""Of a field that there is not: the title of the shape, the field, the mapping that it is in."""


class _Bad:
    """A value that was reported and must not be used."""


BAD: Final = _Bad()

_NO_HOLES: Final = "`${{ }}` is evaluated in the arguments of an operator, in `forEach`, and in the capsule's `outputs`"


class ShapeCheck:
    """One comparison of a tree with shapes; collects diagnostics and the paths that they make unusable.

    With `templates`, `${{ }}` is refused wherever a shape's hints do not allow it; `inside` means that they do so
    from the start. With `wrong_names`, what stands under a key of the wrong form is a part of the value all the same.
    `elsewhere` knows what fields of other languages are called here.
    `known` is what stands for nodes, by `id`, that need no comparison.
    """

    def __init__(
        self,
        source: Source,
        *,
        templates: bool = False,
        inside: bool = False,
        wrong_names: bool = False,
        elsewhere: Elsewhere | None = None,
        known: Mapping[int, Any] | None = None,
    ) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.bad_paths: list[Path] = []
        self.unknown_fields_at: set[Path] = set()  # mappings that have fields they should not have
        self.partial: dict[Path, dict[str, Any]] = {}  # what is sound of mappings that are BAD
        self._known = known or {}
        self.misnamed: dict[Path, Span] = {}  # keys of the wrong form
        self._source = source
        self._templates = templates
        self._holes = inside
        self._wrong_names = wrong_names
        self._elsewhere = elsewhere

    def check(self, node: Node, shape: Shape, path: Path) -> Any:
        """The node's plain value without what is wrong in it, or BAD when nothing of it can be used."""
        if shape.holes and not self._holes:
            self._holes = True
            value = self._check(node, shape, path)
            self._holes = False
            return value
        return self._check(node, shape, path)

    def _check(self, node: Node, shape: Shape, path: Path) -> Any:
        kind = type(node)
        if kind is ScalarNode:
            return self._scalar(node, shape, path)  # type: ignore[arg-type]
        if shape.types and kind not in shape.types:
            return self._wrong_type(node, shape, path)
        if kind is MappingNode:
            return self._mapping(node, shape, path)  # type: ignore[arg-type]
        return self._sequence(node, shape, path)  # type: ignore[arg-type]

    def _scalar(self, node: ScalarNode, shape: Shape, path: Path) -> Any:
        value = node.value
        if self._templates and type(value) is str and HOLE in value:
            if self._holes and not shape.plain:
                return value
            return self._no_expression(node, path, shape.plain or _plain_of_lone(shape) or _NO_HOLES)
        if shape.types and type(value) not in shape.types:
            return self._wrong_type(node, shape, path)
        if shape.enum is not None and value not in shape.enum:
            return self._not_one_of(node, shape, path)
        if type(value) is str:
            if shape.pattern is not None and not shape.pattern.search(value):
                return self._not_in_form(node, f"`{brief(value)}`", shape, shape.pattern, path)
            if not self._length_fits(len(value), "characters", node, shape, path):
                return BAD
        elif type(value) is int or type(value) is float:
            low, high = shape.bounds
            if (low is not None and value < low) or (high is not None and value > high):
                message = f"{_named(path)} must be {_between(low, high)}, not {value}"
                return self._fault("out-of-range", message, node.span, path)
        return value

    def _sequence(self, node: SequenceNode, shape: Shape, path: Path) -> Any:
        values = [self.check(item, shape.items, (*path, index)) for index, item in enumerate(node.items)]
        if not self._length_fits(len(values), "items", node, shape, path):
            return BAD
        return BAD if BAD in values else values  # never a shorter list: indices are places

    def _mapping(self, node: MappingNode, shape: Shape, path: Path) -> Any:
        if id(node) in self._known:
            return self._known[id(node)]
        fields, extra = shape.fields, shape.extra
        result = {}
        meant: set[str] = set()  # fields that are there under a name a slip away
        for name, entry in node.entries.items():
            key = entry.key
            field = fields.get(name) or extra
            if field is None:
                meant.add(self._unknown_field(name, node, shape, path))
                continue
            kept, at = True, (*path, name)
            if shape.keys is not None and self._key(key, shape.keys, at) is BAD:
                self.misnamed[at] = key.span
                kept = self._wrong_names and HOLE not in name
            if HOLE in name and self._holes:
                message, help_ = f"the key `{brief(name)}` is taken as it stands", "only values are evaluated, not keys"
                self._fault("no-expression-here", message, key.span, at, help=help_)
                continue
            value: Any
            if type(entry.value) is ScalarNode and self._holes >= field.holes:
                value = self._scalar(entry.value, field, at)
            else:
                value = self.check(entry.value, field, at)
            if kept and value is not BAD:
                result[name] = value
        missing = [name for name in shape.required if name not in result] if shape.required else ()
        for name in missing:
            if name not in node.entries and name not in meant:
                message = f"{_named(path)} has no `{name}`"
                self._fault("missing-field", message, _first(node), path, help=f"add `{name}:`")
        if missing:
            self.partial[path] = result
            self.bad_paths.append(path)
            return BAD
        return result

    def _key(self, key: ScalarNode, shape: Shape, path: Path) -> Any:
        text = key if type(key.value) is str else ScalarNode(key.text, key.text, key.span)
        pattern, name = shape.pattern, text.text
        if pattern is not None and not (self._templates and HOLE in name) and not pattern.search(name):
            return self._not_in_form(text, f"the key `{brief(name)}`", shape, pattern, path)
        return self._scalar(text, shape, path)

    def _length_fits(self, count: int, unit: str, node: Node, shape: Shape, path: Path) -> bool:
        low, high = shape.lengths
        if count >= low and (high is None or count <= high):
            return True
        unit = unit[:-1] if low == 1 and not high else unit
        message = f"{_named(path)} must have {_between(low, high)} {unit}, not {count}"
        self._fault("out-of-range", message, node.span, path)
        return False

    def _unknown_field(self, name: str, node: MappingNode, shape: Shape, path: Path) -> str:
        """Says so; returns the field that was probably meant, or nothing."""
        self.unknown_fields_at.add(path)
        if len(self.diagnostics) >= MAX_MISTAKES:
            return ""
        where = _named(path)
        if path and shape.title and shape.title != path[-1]:
            where = f"a {shape.title}"
        span = node.entries[name].key.span
        message = f"`{brief(name)}` is not a field of {where}"
        way = self._elsewhere(shape.title, name, node, self._source) if self._elsewhere is not None else None
        if way is not None:
            self._fault("unknown-field", message, span, path, note=way.note, help=way.help, edit=way.edit)
            return ""
        near = nearest(name, shape.fields)
        self._fault(
            "unknown-field",
            message,
            span,
            path,
            note=f"did you mean `{near}`?" if near else "",
            help="" if near else _fields(name, shape),
            edit=Edit(span, near, f"rename to `{near}`") if near else None,
        )
        return near or ""

    def _no_expression(self, node: ScalarNode, path: Path, help_: str) -> Any:
        """One mistake for each hole, at the hole."""
        message = f"{_named(path)} is taken as it stands: `${{{{ }}}}` is not evaluated here"
        place = locator(self._source, node)
        for hole in _HOLES.finditer(node.text):
            name = _variable(hole[0])
            shown = help_.replace("${{ ... }}", hole[0]).replace("NAME", name) if name else help_
            self._fault("no-expression-here", message, place(Span(*hole.span())), path, help=shown)
        return BAD

    def _wrong_type(self, node: Node, shape: Shape, path: Path) -> Any:
        message = f"{_named(path)} must be {shape.words}, not {_kind(node)}"
        way = of_wrong_type(node, shape, self._source)
        return self._fault("wrong-type", message, node.span, path, note=way.note, help=way.help, edit=way.edit)

    def _not_in_form(self, node: ScalarNode, what: str, shape: Shape, pattern: Form, path: Path) -> Any:
        message = f"{what} is not {shape.noun or f'of the form {pattern.text}'}"
        near = in_form(node.text, pattern.search)
        if near is None:
            return self._fault("not-in-form", message, node.span, path)
        edit = None if shape.exact else Edit(node.span, written(near), f"write `{near}`")
        return self._fault("not-in-form", message, node.span, path, note=f"did you mean `{near}`?", edit=edit)

    def _not_one_of(self, node: ScalarNode, shape: Shape, path: Path) -> Any:
        if len(self.diagnostics) >= MAX_MISTAKES:
            return BAD
        choices = [_shown(choice) for choice in shape.enum or ()]
        place = _named(path) if not path or isinstance(path[-1], str) else _named(path[:-1])
        message = f"`{brief(node.text)}` is not a value of {place}"
        way = other_word(node, choices)
        if way is None:
            near = nearest(node.text, choices)
            help_ = "one of " + ", ".join(f"`{choice}`" for choice in choices) if len(choices) > 1 or not near else ""
            edit = Edit(node.span, near, f"write `{near}`") if near else None
            way = WayOut(help_, edit, f"did you mean `{near}`?" if near else "")
        return self._fault("not-one-of", message, node.span, path, note=way.note, help=way.help, edit=way.edit)

    def _fault(self, name: str, message: str, span: Span, path: Path, **details: Any) -> _Bad:
        if len(self.diagnostics) < MAX_MISTAKES:
            self.diagnostics.append(Diagnostic(name, message, below_header(self._source.text, span), **details))
        self.bad_paths.append(path)
        return BAD


def _plain_of_lone(shape: Shape) -> str:
    """What an expression meets in place of a mapping that a value alone can stand for."""
    return next((shape.fields[name].plain for name in shape.lone), "")


def _fields(name: str, shape: Shape) -> str:
    """The fields that there are, those most like the name first; those of a group in a line of their own."""
    if not shape.fields:
        return "it has no fields"
    from difflib import SequenceMatcher  # noqa: PLC0415  needed for a mistake only

    def like(field: str) -> float:
        return -SequenceMatcher(None, name[:_LONGEST_NAME].lower(), field.lower()).ratio()

    groups: dict[str, list[str]] = {}
    for field in sorted(shape.fields, key=like):
        groups.setdefault(shape.fields[field].group or "fields", []).append(field)
    return "\n".join(
        f"{group}: {', '.join(fields[:_SHOWN_FIELDS])}" + (", ..." if len(fields) > _SHOWN_FIELDS else "")
        for group, fields in sorted(groups.items())
    )


def _variable(hole: str) -> str:
    """What a script would call the value of a hole; empty when the hole has no name in it."""
    words = _LAST_NAME.search(hole)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", words[1]).upper() if words else ""


def _named(path: Path) -> str:
    """What a message calls the value at a path."""
    if not path:
        return "the document"
    last = path[-1]
    if isinstance(last, str):
        return f"`{brief(last)}`"
    names = [part for part in path if isinstance(part, str)]
    return f"item {last + 1} of `{names[-1]}`" if names else f"item {last + 1}"


def _kind(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    value = node.value
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"the boolean {node.text}"
    return f"the text `{brief(node.text)}`" if isinstance(value, str) else f"the number {brief(node.text)}"


def _between(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if not low else f"from {low} to {high}"


def _shown(value: object) -> str:
    """A choice as it is written in YAML."""
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def _first(node: MappingNode) -> Span:
    """Where to point for a field that is not there: the mapping's first key."""
    for entry in node.entries.values():
        return entry.key.span
    return node.span
