"""Governed documents: text read strictly, with the place of everything kept.

Capsules and constitutions are read by the same bounded reader, and every mistake in them, whoever finds it, is a
`Diagnostic`. What a diagnostic's name means to people (code, severity, examples) is in
`somagent.capsule_compiler.diagnostics`.
"""

from somagent.governance.documents.diagnostic import Diagnostic, Edit, Label
from somagent.governance.documents.locate import locate
from somagent.governance.documents.nearest import nearest
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
from somagent.governance.documents.shape import BAD, HINTS, Shape, ShapeCheck, shape_of
from somagent.governance.documents.source import Position, Source, Span
from somagent.governance.documents.yaml_reader import decode_source, read_yaml

__all__ = [
    "BAD",
    "HINTS",
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
    "decode_source",
    "key_at",
    "locate",
    "nearest",
    "node_at",
    "read_yaml",
    "scalars",
    "shape_of",
]
