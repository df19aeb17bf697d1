"""A value as a scalar of YAML, with no more quotes than it needs to be read back as the same text."""

from __future__ import annotations

from somagent.governance.documents.nodes import MappingNode, ScalarNode, SequenceNode
from somagent.governance.documents.source import Source
from somagent.governance.documents.yaml_reader import read_yaml


def plainest(value: str, *, in_block: bool = False) -> str:
    """Plain if that is read back, else in double quotes, or in single ones where double ones need escapes.

    `in_block` tells that the scalar does not stand inside `{ }` or `[ ]`, where fewer characters can be plain.
    """
    written = [value]
    if '"' not in value and "\\" not in value:
        written.append(f'"{value}"')
    written.append("'" + value.replace("'", "''") + "'")
    found = next((one for one in written if _reads_back(one, value, in_block=in_block)), None)
    if found is not None:
        return found
    from somagent.governance.documents.formatting.scalars import quoted  # noqa: PLC0415 - seldom needed

    return quoted(value)


def _reads_back(written: str, value: str, *, in_block: bool) -> bool:
    if "\n" in written:
        return False
    root, found = read_yaml(Source("", f"key: {written}\n" if in_block else f"key: [{written}]\n"))
    if found or not isinstance(root, MappingNode) or list(root.entries) != ["key"]:
        return False
    node = root.entries["key"].value
    if not in_block:
        node = node.items[0] if isinstance(node, SequenceNode) and len(node.items) == 1 else node
    return isinstance(node, ScalarNode) and node.value == value
