"""The capsule language of an installation, prepared once: its schema, its operators, and their shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from somagent.capsule_compiler.catalogue import Catalogue, OperatorEntry
from somagent.capsule_compiler.schema import capsule_schema, editor_schema
from somagent.governance.documents import HINTS, Shape, shape_of


class Language(Struct, frozen=True):
    """What the compiler knows before it sees a capsule."""

    catalogue: Catalogue
    digest: str
    capsule: Shape
    arguments: Mapping[str, Shape]  # of each operator's arguments, by its name

    hints: Mapping[str, Mapping[str, Sequence[tuple[str, Any]]]]  # by operator and hint: arguments, what it says

    def hinted(self, operator: str, hint: str) -> Sequence[tuple[str, Any]]:
        """The arguments of an operator whose schema has a hint, and what the hint says."""
        return self.hints[operator].get(hint, ())

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of capsules, for editors."""
        return editor_schema(self.catalogue)


def prepare_language(catalogue: Catalogue) -> Language:
    """Prepares a catalogue; worth doing once for many capsules."""
    arguments = {name: shape_of(entry.arguments) for name, entry in catalogue.operators.items()}
    hints = {name: _hints(entry) for name, entry in catalogue.operators.items()}
    return Language(catalogue, catalogue.digest(), shape_of(capsule_schema(catalogue)), arguments, hints)


def _hints(entry: OperatorEntry) -> dict[str, list[tuple[str, Any]]]:
    found: dict[str, list[tuple[str, Any]]] = {}
    for name, schema in entry.arguments.get("properties", {}).items():
        for hint, said in schema.get(HINTS, {}).items():
            if said:
                found.setdefault(hint, []).append((name, said))
    return found
