"""Text to a tree, strictly: what YAML 1.2 and kubectl's YAML 1.1 read differently is a mistake."""

from __future__ import annotations

from dataclasses import replace

from somagent.capsule_compiler.draft import Draft
from somagent.governance.documents import read_yaml


def parse(draft: Draft) -> Draft:
    """The capsule's tree, with a place for every node."""
    root, found = read_yaml(draft.source)
    return replace(draft.reporting(found), root=root)
