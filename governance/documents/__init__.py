"""Governed documents: text read strictly, with the place of everything kept.

Capsules and constitutions are read by the same bounded reader, and every mistake in them, whoever finds it, is a
`Diagnostic`. What a diagnostic's name means to people (code, severity, examples) is in
`somagent.capsule_compiler.diagnostics`.

What reads and writes YAML is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from somagent.governance.documents.diagnostic import MAX_MISTAKES, Diagnostic, Edit, Label, bounded
from somagent.governance.documents.locate import below_header, in_document, locate, locator
from somagent.governance.documents.model_schema import model_schema
from somagent.governance.documents.nearest import nearest, nearest_first
from somagent.governance.documents.nodes import (
    Entry,
    MappingNode,
    Node,
    Path,
    ScalarNode,
    SequenceNode,
    key_at,
    node_at,
    scalars,
)
from somagent.governance.documents.shape import HINTS, Shape, shape_of
from somagent.governance.documents.shape_check import BAD, ShapeCheck
from somagent.governance.documents.source import Position, Source, Span
from somagent.governance.documents.ways_out import WayOut

if TYPE_CHECKING:
    from somagent.governance.documents.rereading import Before, reread_yaml
    from somagent.governance.documents.yaml_comments import comments
    from somagent.governance.documents.yaml_quotes import plainest
    from somagent.governance.documents.yaml_reader import decode_source, read_yaml
    from somagent.governance.documents.yaml_writer import write_yaml

__all__ = [
    "BAD",
    "HINTS",
    "MAX_MISTAKES",
    "Before",
    "Diagnostic",
    "Edit",
    "Entry",
    "Label",
    "MappingNode",
    "Node",
    "Path",
    "Position",
    "ScalarNode",
    "SequenceNode",
    "Shape",
    "ShapeCheck",
    "Source",
    "Span",
    "WayOut",
    "below_header",
    "bounded",
    "comments",
    "decode_source",
    "in_document",
    "key_at",
    "locate",
    "locator",
    "model_schema",
    "nearest",
    "nearest_first",
    "node_at",
    "plainest",
    "read_yaml",
    "reread_yaml",
    "scalars",
    "shape_of",
    "write_yaml",
]

_OF_YAML = {
    "Before": "rereading",
    "comments": "yaml_comments",
    "decode_source": "yaml_reader",
    "plainest": "yaml_quotes",
    "read_yaml": "yaml_reader",
    "reread_yaml": "rereading",
    "write_yaml": "yaml_writer",
}


def __getattr__(name: str) -> Any:
    """Loads a part that needs PyYAML: 13 ms that the step runner, which reads no YAML, never spends."""
    if name not in _OF_YAML:
        raise AttributeError(f"module `somagent.governance.documents` has no attribute `{name}`")
    return getattr(import_module(f"{__name__}.{_OF_YAML[name]}"), name)
