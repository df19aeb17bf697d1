"""Argo's full CRDs as an API server does not hold objects against them: a field that is not declared is a mistake.

The rules that CRDs have in CEL besides are ported by hand (`RULES`); a rule that is not among them is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml


class StrictCrd:
    """The definition of one kind."""

    def __init__(self, folder: Path, plural: str) -> None:
        text = (folder / f"argoproj.io_{plural}.yaml").read_text(encoding="utf-8")
        (version,) = yaml.load(text, yaml.CSafeLoader)["spec"]["versions"]
        self._schema = _closed(version["schema"]["openAPIV3Schema"])
        self._validator = jsonschema_rs.validator_for(self._schema)

    def mistakes(self, value: Mapping[str, Any]) -> list[str]:
        """Each with its place."""
        found = [f"{_place(one.instance_path)}: {one.message}" for one in self._validator.iter_errors(value)]
        return found + [f"{place}: {message}" for place, message in _broken(value, self._schema, "")]


def _place(path: Any) -> str:
    return "/".join(map(str, path))


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with all objects closed that say what is in them."""
    closed = dict(schema)
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in schema:
        closed["properties"] = {name: _closed(one) for name, one in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
    if isinstance(schema.get("additionalProperties"), dict):
        closed["additionalProperties"] = _closed(schema["additionalProperties"])
    if isinstance(schema.get("items"), dict):
        closed["items"] = _closed(schema["items"])
    closed.pop("format", None)
    return closed


def _broken(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", []):
        said = rule["message"]
        assert said in RULES, f"a rule of the CRDs that nobody has ported: {rule}"
        if not RULES[said](value):
            yield place, said
    if isinstance(value, dict):
        for name, below in value.items():
            inside = schema.get("properties", {}).get(name)
            inside = inside if inside is not None else schema.get("additionalProperties")
            if isinstance(inside, dict):
                yield from _broken(below, inside, f"{place}/{name}")
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for number, below in enumerate(value):
            yield from _broken(below, schema["items"], f"{place}/{number}")


_KINDS = {"container", "script", "dag", "steps", "resource", "suspend", "containerSet", "data", "http", "plugin"}
_LOCATIONS = {"s3", "git", "http", "artifactory", "hdfs", "raw", "oss", "gcs", "azure", "plugin"}
RULES: Mapping[str, Callable[[Any], bool]] = {  # by their messages
    "template must have at most one template type": lambda many: all(len(_KINDS & one.keys()) <= 1 for one in many),
    "timeout cannot be applied to steps or dag templates": lambda many: all(
        not (one.get("timeout") and {"steps", "dag"} & one.keys()) for one in many
    ),
    "activeDeadlineSeconds is only valid for leaf templates": lambda many: all(
        not ("activeDeadlineSeconds" in one and {"steps", "dag"} & one.keys()) for one in many
    ),
    "cannot use both 'depends' and 'dependencies'": lambda task: not {"depends", "dependencies"} <= task.keys(),
    "cannot use 'continueOn' when using 'depends'": lambda task: not {"depends", "continueOn"} <= task.keys(),
    "task name cannot begin with a digit when using 'depends' or 'dependencies'": lambda task: (
        not {"depends", "dependencies"} & task.keys() or not task["name"][:1].isdigit()
    ),
    "only one of count or end can be defined": lambda sequence: not {"count", "end"} <= sequence.keys(),
    "only one of manifest or manifestFrom can be specified": lambda one: not {"manifest", "manifestFrom"} <= one.keys(),
    "at most one artifact location can be specified": lambda artifact: len(_LOCATIONS & artifact.keys()) <= 1,
    "'resourcesDuration.*' metrics cannot be used in real-time gauges": lambda gauge: (
        not gauge.get("realtime") or "resourcesDuration." not in gauge["value"]
    ),
}
