"""The capsule language of an installation, prepared once: its schema, its operators, and their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from somagent.capsule_compiler.catalogue import Catalogue
from somagent.capsule_compiler.schema import capsule_schema, editor_schema
from somagent.governance.documents import Shape, shape_of


@dataclass(frozen=True, slots=True)
class Language:
    """What the compiler knows before it sees a capsule."""

    catalogue: Catalogue
    digest: str
    capsule: Shape
    arguments: Mapping[str, Shape]  # of each operator's arguments, by its name

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of capsules, for editors."""
        return editor_schema(self.catalogue)


def prepare_language(catalogue: Catalogue) -> Language:
    """Prepares a catalogue; worth doing once for many capsules."""
    arguments = {name: shape_of(entry.arguments) for name, entry in catalogue.operators.items()}
    return Language(catalogue, catalogue.digest(), shape_of(capsule_schema(catalogue)), arguments)
