"""The JSON Schema of files of tests: the models, with what editors offer to begin with."""

from __future__ import annotations

from typing import Any

from somagent.governance.documents import model_schema
from somagent.workflows.testing.answering import ENDS
from somagent.workflows.testing.model import CapsuleTest


def test_schema() -> dict[str, Any]:
    """Draft 2020-12, one document, `$defs` inside, `defaultSnippets` for yaml-language-server."""
    schema = model_schema(CapsuleTest)
    definitions = schema["$defs"]
    definitions["Case"]["defaultSnippets"] = [
        _snippet("case", "A run that succeeds", {"name": "$1", "inputs": {}, "expect": {"phase": "Succeeded"}}),
        _snippet(
            "refused inputs", "Inputs that no run is given", {"name": "$1", "inputs": {}, "expect": {"refused": ""}}
        ),
    ]
    for part in ("Answer", "ItemAnswer", "AttemptAnswer"):
        definition = definitions[part]
        ends = [name for name in ENDS if name in definition["properties"]]
        definition["not"] = {"anyOf": [{"required": [a, b]} for n, a in enumerate(ends) for b in ends[n + 1 :]]}
    definitions["Answer"]["defaultSnippets"] = [
        _snippet("outputs", "What the step gives", {"outputs": {"$1": "$2"}}),
        _snippet("failure", "How the step fails", {"failure": {"class": "error", "message": "$1"}}),
        _snippet("items", "How each item of a fan-out step ends", {"items": [{"outputs": {"$1": "$2"}}]}),
        _snippet("decisions", "What people decide", {"decisions": [{"decision": "approve", "by": "$1"}]}),
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Tests of a Task Capsule", **schema}


def _snippet(label: str, description: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "description": description, "body": body}
