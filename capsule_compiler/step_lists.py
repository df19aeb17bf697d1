"""Steps written as a list, as in GitHub Actions, read as the mapping that they should be: what is in them is checked.

`- id: build` becomes the key `build`; a step without an id is called by its place in the list.
"""

from __future__ import annotations

from somagent.capsule_compiler.draft import FINALLY, STEPS
from somagent.governance.documents import (
    Diagnostic,
    Edit,
    Entry,
    MappingNode,
    Node,
    Path,
    ScalarNode,
    SequenceNode,
    Source,
    Span,
    key_at,
    node_at,
)

_ID = "id"


def with_listed_steps(source: Source, root: Node) -> tuple[Node, list[Diagnostic]]:
    """The tree with its steps as mappings, and what is said of those that were lists."""
    found: list[Diagnostic] = []
    for path in (STEPS, FINALLY):
        steps = node_at(root, path)
        if isinstance(steps, SequenceNode) and steps.items:
            items = [one for one in steps.items if isinstance(one, MappingNode)]
            if len(items) == len(steps.items):
                found.append(_mistake(source, root, path, steps, items))
                root = _replaced(root, path, _mapping(steps, items))
    return root, found


def _mistake(source: Source, root: Node, path: Path, steps: SequenceNode, items: list[MappingNode]) -> Diagnostic:
    first = next((one.text for one in map(_id, items) if one is not None), "build")
    help_ = f"the id of a step is its key: write `{first}:` in place of `- id: {first}`, and what the step is below it"
    message = f"`{path[-1]}` must be a mapping of steps by their ids, not a list"
    span = Span(steps.span.start, steps.span.start + 1)
    return Diagnostic("wrong-type", message, span, help=help_, edit=_edit(source, root, path, steps, items))


def _edit(source: Source, root: Node, path: Path, steps: SequenceNode, items: list[MappingNode]) -> Edit | None:
    """The list as a mapping, when each item begins with its id on a line of its own."""
    key, ids = key_at(root, path), [one for one in map(_id, items) if one is not None]
    text, start = source.text, steps.span.start
    column = source.position(start).column
    if key is None or column <= source.position(key.span.start).column or text[start] != "-":
        return None
    if len({one.text for one in ids}) < len(items):
        return None
    pieces: list[str] = []
    at = start
    for item, step_id in zip(items, ids, strict=True):
        first = next(iter(item.entries.values()))
        dash = text.rfind("-", at, first.key.span.start)
        end = first.value.span.end
        rest = text[end : text.find("\n", end)].strip()
        if first.value is not step_id or len(item.entries) < len(("id", "what it does")) or rest[:1] not in {"", "#"}:
            return None
        if text[dash + 1 : first.key.span.start].strip(" ") or source.position(dash).column != column:
            return None
        pieces += [text[at:dash], f"{text[step_id.span.start : end]}:"]
        at = end
    whole = "".join([*pieces, text[at : steps.span.end]])
    return Edit(steps.span, whole, "make the ids keys", safe=True)


def _id(item: MappingNode) -> ScalarNode | None:
    entry = item.entries.get(_ID)
    return entry.value if entry is not None and isinstance(entry.value, ScalarNode) and entry.value.text else None


def _mapping(steps: SequenceNode, items: list[MappingNode]) -> MappingNode:
    entries: dict[str, Entry] = {}
    for number, item in enumerate(items, 1):
        key = _id(item)
        if key is None or key.text in entries:
            key = ScalarNode(f"step_{number}", f"step_{number}", Span(item.span.start, item.span.start + 1))
        inside = {name: entry for name, entry in item.entries.items() if name != _ID}
        entries[key.text] = Entry(key, MappingNode(item.span, inside))
    return MappingNode(steps.span, entries)


def _replaced(node: Node, path: Path, value: Node) -> Node:
    """The same tree with another node at a path of keys that is there."""
    if not path or not isinstance(node, MappingNode):
        return value
    name = str(path[0])
    entry = node.entries[name]
    return MappingNode(node.span, {**node.entries, name: Entry(entry.key, _replaced(entry.value, path[1:], value))})
