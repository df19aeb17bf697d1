"""What a step's result stands on: two nodes with the same content, given the same values, do the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from somagent.capsule_compiler.plan.model import Node, Plan
from somagent.governance.canonical import canonical_json, digest_of

_INPUT = re.compile(r"\binputs\b(?:\.([A-Za-z_]\w*))?")


def node_content(plan: Plan, node: Node, inputs: Mapping[str, Any]) -> str:
    """Digest of the node, of what it uses of the plan (rules, types, files, secrets), and of the inputs that it reads.

    Where a text only may mean one of these it counts as if it did: a step too many runs again, never one too few.
    The steps that it needs are not in it.
    """
    own = msgspec.to_builtins(node)
    texts = list(_texts(own))
    words = set(texts)
    used = {
        "node": own,
        "constitution": plan.constitution.digest,
        "policies": {name: book.digest for name, book in plan.policies.items() if name in words},
        "documents": {
            name: document.digest
            for documents in (plan.personas, plan.tools)
            for name, document in documents.items()
            if name in words
        },
        "types": msgspec.to_builtins(plan.types) if any(text.startswith("#/types/") for text in texts) else {},
        "files": [[one.path, one.digest, one.executable] for one in plan.files if _is_taken_along(one.path, words)],
        "secrets": {name: msgspec.to_builtins(plan.secrets[name]) for name in node.secrets if name in plan.secrets},
        "inputs": {name: inputs[name] for name in _inputs_read(texts, inputs)},
    }
    return digest_of(canonical_json(used))


def _inputs_read(texts: list[str], inputs: Mapping[str, Any]) -> list[str]:
    found = {name for text in texts for name in _INPUT.findall(text)}
    return sorted(inputs) if "" in found else sorted(found & inputs.keys())


def _is_taken_along(path: str, words: set[str]) -> bool:
    """Whether a text names the file or a folder that it is in."""
    parts = path.split("/")
    return any("/".join(parts[:count]) in words for count in range(1, len(parts) + 1)) or "." in words


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.removeprefix("./").rstrip("/") or value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
