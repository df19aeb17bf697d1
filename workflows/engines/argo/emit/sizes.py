"""How near a workflow is to what Argo and Kubernetes take, with the status that grows while it runs.

Argo keeps a copy of the template in the status, and a node for each pod, each try and each level above; beyond 1 MiB
it compresses the nodes. The bytes of a node are those of runs on Argo 4.0.7.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

MOST_TASKS = MOST_TEMPLATES = 200  # CRDs of Argo 4
MOST_BYTES = 1 << 20  # MAX_WORKFLOW_SIZE of Argo's controller, below etcd's 1.5 MiB
_NODE_BYTES = 1000  # 690 to 990 were seen
_COMPRESSED = 10  # times smaller, gzip and Base64; 8 to 11 were seen from 26 nodes on


class Size(Struct, frozen=True):
    """One limit, and how much of it is used."""

    what: str
    used: int
    most: int
    while_running: bool = False  # an estimate

    @property
    def share(self) -> float:
        """Of the limit; beyond 1 it is refused."""
        return self.used / self.most

    def __str__(self) -> str:
        return f"{self.what}: {self.used:,} of {self.most:,} ({self.share:.0%})"


def sizes_of(template: Mapping[str, Any]) -> list[Size]:
    """All limits; those of a run count every fan-out with one item."""
    templates = {one["name"]: one for one in template["spec"]["templates"]}
    tasks = max(len(one.get("dag", {}).get("tasks", ())) for one in templates.values())
    own = len(json.dumps(template, separators=(",", ":"), ensure_ascii=False).encode())
    nodes = _nodes(template["spec"]["entrypoint"], templates, {}) + _nodes(template["spec"]["onExit"], templates, {})
    grown = nodes * _NODE_BYTES
    packed = own + (grown if own + grown <= MOST_BYTES else grown // _COMPRESSED)
    return [
        Size("templates", len(templates), MOST_TEMPLATES),
        Size("tasks of the largest DAG", tasks, MOST_TASKS),
        Size("bytes of the template", own, MOST_BYTES),
        Size(f"bytes of a run, with its {nodes:,} nodes", packed, MOST_BYTES, while_running=True),
    ]


def _nodes(name: str, templates: Mapping[str, Any], known: dict[str, int]) -> int:
    """Of a template when it has run; what it does only after people or a failure is left out."""
    if name in known:
        return known[name]
    known[name] = 0  # within itself: another round
    one = templates[name]
    own = 1 + len(one.get("steps", ())) + ("retryStrategy" in one)
    known[name] = own + sum(_nodes(task["template"], templates, known) for task in _tasks(one))
    return known[name]


def _tasks(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from template.get("dag", {}).get("tasks", ())
    for group in template.get("steps", ()):
        yield from group
