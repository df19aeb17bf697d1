"""Holds a document's tree against a shape and reports every mistake at its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from somagent.governance.documents.diagnostic import MAX_MISTAKES, Diagnostic, Edit
from somagent.governance.documents.forms import completed, in_form
from somagent.governance.documents.nearest import nearest
from somagent.governance.documents.nodes import MappingNode, Node, Path, ScalarNode, SequenceNode
from somagent.governance.documents.resolve import NotFinite, resolve
from somagent.governance.documents.shape import Form, Shape
from somagent.governance.documents.source import Span

HOLE: Final = "${{"

FAULTS = frozenset(
    {"unknown-field", "missing-field", "wrong-type", "not-one-of", "not-in-form", "out-of-range", "no-expression-here"}
)


_PLAIN = re.compile(r"[A-Za-z0-9./_ -]+")


class _Bad:
    """A value that was reported and must not be used."""


BAD: Final = _Bad()

_NO_HOLES: Final = "`${{ }}` is evaluated in the arguments of an operator, in `forEach`, and in the capsule's `outputs`"


class ShapeCheck:
    """One comparison of a tree with shapes; collects diagnostics and the paths that they make unusable.

    With `templates`, `${{ }}` is refused wherever a shape's hints do not allow it; `inside` means that they do so
    from the start. `known` is what stands for nodes, by `id`, that need no comparison.
    """

    def __init__(
        self, *, templates: bool = False, inside: bool = False, known: Mapping[int, Any] | None = None
    ) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.bad_paths: list[Path] = []
        self.unknown_fields_at: set[Path] = set()  # mappings that have fields they should not have
        self.partial: dict[Path, dict[str, Any]] = {}  # what is sound of mappings that are BAD
        self._known = known or {}
        self._templates = templates
        self._holes = inside

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
            return self._no_expression(node, path, shape.plain or _NO_HOLES)
        if shape.types and type(value) not in shape.types:
            return self._wrong_type(node, shape, path)
        if shape.enum is not None and value not in shape.enum:
            return self._not_one_of(node, shape, path)
        if type(value) is str:
            if shape.pattern is not None and not shape.pattern.search(value):
                return self._not_in_form(node, value, shape, shape.pattern, path)
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
        known = self._known.get(id(node))
        if known is not None:
            return known
        fields, extra = shape.fields, shape.extra
        result = {}
        for name, entry in node.entries.items():
            key = entry.key
            field = fields.get(name) or extra
            if field is None:
                self._unknown_field(name, key, shape, path)
                continue
            if shape.keys is not None and self._key(key, shape.keys, (*path, name)) is BAD:
                continue
            if self._holes and HOLE in name:
                self._no_expression(key, (*path, name), "only values are evaluated, keys are taken as they stand")
                continue
            value = self.check(entry.value, field, (*path, name))
            if value is not BAD:
                result[name] = value
        missing = [name for name in shape.required if name not in result]
        for name in missing:
            if name not in node.entries:
                message = f"{_named(path)} has no `{name}`"
                self._fault("missing-field", message, _first(node), path, help=f"add `{name}:`")
        if missing:
            self.partial[path] = result
            self.bad_paths.append(path)
            return BAD
        return result

    def _key(self, key: ScalarNode, shape: Shape, path: Path) -> Any:
        text = key if type(key.value) is str else ScalarNode(key.text, key.text, key.span)
        return self._scalar(text, shape, path)

    def _length_fits(self, count: int, unit: str, node: Node, shape: Shape, path: Path) -> bool:
        low, high = shape.lengths
        if count >= low and (high is None or count <= high):
            return True
        unit = unit[:-1] if low == 1 and not high else unit
        message = f"{_named(path)} must have {_between(low, high)} {unit}, not {count}"
        self._fault("out-of-range", message, node.span, path)
        return False

    def _unknown_field(self, name: str, key: ScalarNode, shape: Shape, path: Path) -> None:
        self.unknown_fields_at.add(path)
        if len(self.diagnostics) >= MAX_MISTAKES:
            return
        where = _named(path)
        if path and shape.title and shape.title != path[-1]:
            where = f"a {shape.title}"
        near = nearest(name, shape.fields)
        self._fault(
            "unknown-field",
            f"`{_brief(name)}` is not a field of {where}",
            key.span,
            path,
            note=f"did you mean `{near}`?" if near else "",
            help="" if near else "fields: " + ", ".join(shape.fields) if shape.fields else "it has no fields",
            edit=Edit(key.span, near, f"rename to `{near}`") if near else None,
        )

    def _no_expression(self, node: ScalarNode, path: Path, help_: str) -> Any:
        message = f"{_named(path)} is taken as it stands: `${{{{ }}}}` is not evaluated here"
        return self._fault("no-expression-here", message, node.span, path, help=help_)

    def _wrong_type(self, node: Node, shape: Shape, path: Path) -> Any:
        message = f"{_named(path)} must be {shape.words}, not {_kind(node)}"
        help_, edit = _way_out(node, shape)
        return self._fault("wrong-type", message, node.span, path, help=help_, edit=edit)

    def _not_in_form(self, node: ScalarNode, text: str, shape: Shape, pattern: Form, path: Path) -> Any:
        message = f"`{_brief(text)}` is not {shape.noun or f'of the form {pattern.text}'}"
        near = in_form(text, pattern.search)
        if near is None:
            return self._fault("not-in-form", message, node.span, path)
        written = near if _PLAIN.fullmatch(near) and type(_unquoted(near)) is str else f'"{near}"'
        edit = Edit(node.span, written, f"write `{near}`")
        return self._fault("not-in-form", message, node.span, path, note=f"did you mean `{near}`?", edit=edit)

    def _not_one_of(self, node: ScalarNode, shape: Shape, path: Path) -> Any:
        if len(self.diagnostics) >= MAX_MISTAKES:
            return BAD
        choices = [_shown(choice) for choice in shape.enum or ()]
        near = nearest(node.text, choices)
        return self._fault(
            "not-one-of",
            f"`{_brief(node.text)}` is not a value of {_named(path)}",
            node.span,
            path,
            note=f"did you mean `{near}`?" if near else "",
            help="one of " + ", ".join(f"`{choice}`" for choice in choices) if len(choices) > 1 or not near else "",
            edit=Edit(node.span, near, f"write `{near}`") if near else None,
        )

    def _fault(self, name: str, message: str, span: Span, path: Path, **details: Any) -> _Bad:
        if len(self.diagnostics) < MAX_MISTAKES:
            self.diagnostics.append(Diagnostic(name, message, span, **details))
        self.bad_paths.append(path)
        return BAD


def _way_out(node: Node, shape: Shape) -> tuple[str, Edit | None]:
    if isinstance(node, ScalarNode):
        fits = shape.pattern is None or shape.pattern.search(node.text)
        if str in shape.types and node.text and fits:
            return "quote it", Edit(node.span, f'"{node.text}"', "quote it", safe=True)
        if type(node.value) is str and type(_unquoted(node.text)) in shape.types:
            return "take the quotes away", Edit(node.span, node.text, "take the quotes away", safe=True)
        if shape.pattern is not None and type(node.value) in {int, float} and shape.types == (str,):
            whole = completed(node.text, shape.pattern.search)
            return (f"such as `{whole}`", None) if whole else ("", None)
        if SequenceNode in shape.types and type(node.value) is str:
            return f"write a list: `[{_brief(node.text)}]`", None
    if MappingNode in shape.types:
        return "write `name: value` lines, indented below it", None
    return "", None


def _unquoted(text: str) -> object:
    try:
        return resolve(text)
    except NotFinite:
        return text


def _named(path: Path) -> str:
    """What a message calls the value at a path."""
    if not path:
        return "the document"
    last = path[-1]
    if isinstance(last, str):
        return f"`{_brief(last)}`"
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
    return f"the text `{_brief(node.text)}`" if isinstance(value, str) else f"the number {_brief(node.text)}"


def _between(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if not low else f"from {low} to {high}"


def _shown(value: object) -> str:
    """A choice as it is written in YAML."""
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def _brief(text: str) -> str:
    text = text.replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def _first(node: MappingNode) -> Span:
    """Where to point for a field that is not there: the mapping's first key."""
    for entry in node.entries.values():
        return entry.key.span
    return node.span
