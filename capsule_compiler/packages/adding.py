"""Writes one use into a capsule's text and touches nothing else: comments, order and layout stay."""

from __future__ import annotations

from typing import Any, NamedTuple

from somagent.governance.documents import Edit, MappingNode, Node, Path, Source, Span, key_at, node_at, read_yaml

_USES: Path = ("spec", "uses")
_HEAD = frozenset({"package", "version", "description"})  # what stands above `uses`


class NotEditable(Exception):
    """The use cannot be written into this text; the message says why."""


class NewUse(NamedTuple):
    """What is written: `alias: value` under `uses.SECTION`."""

    section: str
    alias: str
    value: str

    @property
    def line(self) -> str:
        """The entry itself."""
        return f"{self.alias}: {self.value}"


def with_use(source: Source, root: Node, use: NewUse) -> str:
    """The text with the use in it; raises `NotEditable`.

    What is written is read again: it says the same as before, and the new use.
    """
    spec = node_at(root, ("spec",))
    if not isinstance(spec, MappingNode) or not spec.entries:
        raise NotEditable("it has no `spec` with fields")
    edit = _edit(source, root, spec, use)
    text = source.text[: edit.span.start] + edit.text + source.text[edit.span.end :]
    again, found = read_yaml(Source(source.name, text))
    if again is None or found or again.plain() != _expected(root, use):
        raise NotEditable(f"its layout is unusual; write `{use.line}` under `uses.{use.section}` by hand")
    return text


def _expected(root: Node, use: NewUse) -> Any:
    document = root.plain()
    uses = document["spec"].get("uses") or {}
    document["spec"]["uses"] = {**uses, use.section: {**(uses.get(use.section) or {}), use.alias: use.value}}
    return document


def _edit(source: Source, root: Node, spec: MappingNode, use: NewUse) -> Edit:
    at: Path = (*_USES, use.section)
    known, entries, uses = node_at(root, (*at, use.alias)), node_at(root, at), node_at(root, _USES)
    if known is not None:
        return _instead(known.span, use.value)
    if isinstance(entries, MappingNode):
        return _into(source, entries, use.line)
    if entries is not None:  # `policies:` with nothing behind it
        return _behind(source, root, at, f"{{ {use.line} }}")
    section = f"{use.section}: {{ {use.line} }}"
    if isinstance(uses, MappingNode):
        return _into(source, uses, section)
    if uses is not None:
        return _behind(source, root, _USES, f"{{ {section} }}")
    whole = f"uses: {{ {section} }}"
    if source.text[spec.span.start] == "{":
        return _into(source, spec, whole)
    first = next((name for name in spec.entries if name not in _HEAD), "")
    if not first:
        return _into(source, spec, whole)
    start = spec.entries[first].key.span.start
    return Edit(Span(start, start), f"{whole}{_line_break(source)}{' ' * _indent(source, start)}", "")


def _instead(span: Span, text: str) -> Edit:
    return Edit(span, text, "")


def _behind(source: Source, root: Node, path: Path, text: str) -> Edit:
    """A value for a key that has none."""
    key, node = key_at(root, path), node_at(root, path)
    if key is None or node is None or node.plain() is not None:
        raise NotEditable(f"`{path[-1]}` is no mapping; write the use by hand")
    written = source.text[node.span.start : node.span.end]
    if written.strip():
        return _instead(node.span, text)
    colon = source.text.index(":", key.span.end) + 1
    return Edit(Span(colon, colon), f" {text}", "")


def _into(source: Source, mapping: MappingNode, line: str) -> Edit:
    """One more entry at the end of a mapping, in the style that the mapping has."""
    flow = source.text[mapping.span.start] == "{"
    if not mapping.entries:
        return _instead(mapping.span, f"{{ {line} }}")
    last = list(mapping.entries.values())[-1]
    end = last.value.span.end
    if end <= last.key.span.end:  # nothing behind the colon
        end = source.text.index(":", last.key.span.end) + 1
    if flow:
        return Edit(Span(end, end), f", {line}", "")
    indent = _indent(source, last.key.span.start)
    while end > last.key.span.end and source.text[end - 1] in " \t\r\n":
        end -= 1
    stop = source.text.find("\n", end)
    stop = len(source.text) if stop < 0 else stop - (source.text[stop - 1] == "\r")
    return Edit(Span(stop, stop), f"{_line_break(source)}{' ' * indent}{line}", "")


def _indent(source: Source, offset: int) -> int:
    return source.position(offset).column - 1


def _line_break(source: Source) -> str:
    return "\r\n" if "\r\n" in source.text else "\n"
