"""Text to a tree, strictly: what YAML 1.2 and kubectl's YAML 1.1 read differently is a mistake."""

from __future__ import annotations

from msgspec.structs import replace

from somagent.capsule_compiler.draft import STEPS, Draft
from somagent.governance.documents import Before, read_yaml, reread_yaml


def parse(draft: Draft) -> Draft:
    """The capsule's tree, with a place for every node."""
    readings = draft.given.readings
    if draft.given.within is not None or not readings.lasting:
        root, found = read_yaml(draft.source)
    else:
        root, found = reread_yaml(draft.source, readings.document, STEPS)
        if root is not None and not found:
            readings.document = Before(draft.source, root)
    return replace(draft.reporting(found), root=root)
