"""Governed documents: text read strictly, with the place of everything kept.

Capsules and constitutions are read by the same bounded reader, and every mistake in them, whoever finds it, is a
`Diagnostic`. What a diagnostic's name means to people (code, severity, examples) is in
`somagent.capsule_compiler.diagnostics`.
"""

from somagent.governance.documents.diagnostic import Diagnostic, Edit, Label
from somagent.governance.documents.source import Position, Source, Span

__all__ = ["Diagnostic", "Edit", "Label", "Position", "Source", "Span"]
