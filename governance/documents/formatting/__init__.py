"""One layout for governed documents, so that nobody discusses it and a diff shows what changed.

The layout has no options. It never changes a value, a key, an order or a comment: what it writes is read again and
compared before anybody gets it. Expressions are left as they are, because their text is part of a plan's digest.
"""

from __future__ import annotations

from somagent.governance.documents.diagnostic import Diagnostic
from somagent.governance.documents.formatting.printer import Printer
from somagent.governance.documents.nodes import MappingNode, Node, ScalarNode, SequenceNode
from somagent.governance.documents.source import Source, Span
from somagent.governance.documents.yaml_comments import comments
from somagent.governance.documents.yaml_reader import MAX_BYTES, read_yaml

__all__ = ["NotTheSame", "format_source"]

# Mistakes of a value that is all the same wholly in the tree; after any other one the tree has gaps.
_HARMLESS = frozenset({"yaml-ambiguous", "unreadable-to-kubectl", "number-not-finite", "number-too-large"})


class NotTheSame(Exception):
    """The layout would change the document: a fault of ours."""


def format_source(source: Source) -> tuple[str | None, list[Diagnostic]]:
    """The text in its layout, or the mistakes of YAML that forbid to touch it.

    Lines end with a line feed, the last one too. Raises `NotTheSame`, rather than hand out what means something else.
    """
    text = source.text.replace("\r\n", "\n")
    root, found = read_yaml(source)
    gaps = [one for one in found if one.name not in _HARMLESS and not _key_as_written(one, source.text)]
    if root is None or gaps:
        return None, gaps or found
    if text is not source.text:
        source = Source(source.name, text)
        root, _ = read_yaml(source)
    assert root is not None  # noqa: S101  it was read before
    if isinstance(root, ScalarNode):
        return text, []  # no document of ours is one text, and not every text can begin a line
    spans = comments(source)
    laid_out = Printer(text, spans).document(root)
    if laid_out != text:
        again = Source(source.name, laid_out)
        other, _ = read_yaml(again)
        said = [text[span.start : span.end].rstrip() for span in spans]
        if other is None or not _same(root, other) or [laid_out[s.start : s.end] for s in comments(again)] != said:
            raise NotTheSame(f"the layout of {source.name} would change what it says")
        size = len(laid_out.encode(errors="replace"))
        if size > MAX_BYTES:  # nobody could read it any more
            message = f"the document would have {size:,} bytes in its layout; the limit is {MAX_BYTES:,} (1 MiB)"
            return None, [
                Diagnostic("document-too-large", message, Span(0, 0), help="it stays as it is; take something out")
            ]
    return laid_out, []


def _key_as_written(one: Diagnostic, text: str) -> bool:
    """A key like `1:`, which is no text but is in the tree; one that is empty could not be written again."""
    written = text[one.span.start : one.span.end]
    return one.name == "key-not-text" and one.edit is not None and written != "" and "\n" not in written


def _same(one: Node, other: Node) -> bool:
    if isinstance(one, ScalarNode) and isinstance(other, ScalarNode):
        return type(one.value) is type(other.value) and one.value == other.value and one.text == other.text
    if isinstance(one, SequenceNode) and isinstance(other, SequenceNode):
        return len(one.items) == len(other.items) and all(map(_same, one.items, other.items))
    if isinstance(one, MappingNode) and isinstance(other, MappingNode):
        pairs = zip(one.entries.values(), other.entries.values(), strict=False)
        return list(one.entries) == list(other.entries) and all(_same(a.value, b.value) for a, b in pairs)
    return False
