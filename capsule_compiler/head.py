"""What a document says that it is: one that is something else has one mistake, and not one for each of its fields."""

from __future__ import annotations

from msgspec.structs import replace

from somagent.governance.documents import Diagnostic, Edit, MappingNode, Node, ScalarNode, Span, nearest

KIND = "Capsule"
_OTHERS = ("CapsuleTest", "Constitution", "Package", "Persona", "Tool")
_HEAD = ("apiVersion", "kind", "metadata", "spec")
_BEGINNING = (
    "a capsule begins with `apiVersion: somagent.io/v1alpha1`, `kind: Capsule` and `metadata: { name: ... }`, and what"
    " it does stands under `spec:`; `somagent new` writes one"
)


def another_kind(root: Node, found: list[Diagnostic]) -> list[Diagnostic]:
    """The mistake of a document that is a whole other thing than a capsule; empty when it may be one."""
    entry = root.entries.get("kind") if isinstance(root, MappingNode) else None
    node = entry.value if entry is not None else None
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or node.value == KIND:
        return []
    if nearest(node.value, [KIND]):  # a slip
        return []
    near = None if node.value in _OTHERS else nearest(node.value, _OTHERS)
    help_ = "" if near else f"this is no capsule: one says `kind: {KIND}`"
    note, edit = (f"did you mean `{near}`?", Edit(node.span, near, f"write `{near}`")) if near else ("", None)
    at_kind = [one for one in found if one.name == "not-one-of" and one.span == node.span]
    return [replace(one, help=help_, note=note, edit=edit) for one in at_kind]


def with_one_beginning(root: Node, found: list[Diagnostic]) -> list[Diagnostic]:
    """Of a document that has nothing of the head of a capsule, that is said once."""
    if not isinstance(root, MappingNode) or not root.entries.keys().isdisjoint(_HEAD):
        return found
    missing = [one for one in found if one.name == "missing-field" and one.message.startswith("the document has no")]
    if not missing:
        return found
    message = "the document has none of " + ", ".join(f"`{name}`" for name in _HEAD)
    span = min((one.span for one in missing), default=Span(0, 0))
    return [Diagnostic("missing-field", message, span, help=_BEGINNING), *(one for one in found if one not in missing)]
