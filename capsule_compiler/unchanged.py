"""Steps that stand as they stood when the text was last checked: what was made of them by themselves still holds.

What YAML makes of a step follows from its text with the blank lines after it (of which a block scalar may keep some),
the column of its key (block scalars may be indented relative to it) and whether the mapping around it is in braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from somagent.capsule_compiler.draft import FINALLY, STEPS
from somagent.governance.documents import MappingNode, Node, Path, Source, node_at

_IN_BRACES = -1
_BLANK = re.compile(r"[ \t\r\n]*")


class StepText(NamedTuple):
    """All that the tree of a step follows from."""

    path: Path
    column: int
    text: str


def texts_of_steps(source: Source, root: Node) -> Iterator[tuple[StepText, MappingNode]]:
    """Every step that is a mapping, as it is written, and its node."""
    text = source.text
    for path in (STEPS, FINALLY):
        steps = node_at(root, path)
        if not isinstance(steps, MappingNode) or not steps.entries:
            continue
        start = steps.span.start  # of the first key, whose column all the others share
        column = _IN_BRACES if text[start] == "{" else start - text.rfind("\n", 0, start)
        for name, entry in steps.entries.items():
            if isinstance(entry.value, MappingNode):
                blank = _BLANK.match(text, entry.value.span.end)
                end = blank.end() if blank is not None else entry.value.span.end
                yield StepText((*path, name), column, text[entry.key.span.start : end]), entry.value
