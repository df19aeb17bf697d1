"""Inputs as they are given on the command line and in files."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.plan import Plan
from somagent.cli.exits import UserError
from somagent.cli.printing import printable
from somagent.governance.documents import Source, decode_source, read_yaml
from somagent.operators.runner.records import Waiting
from somagent.workflows import capsules


def given_inputs(arguments: Namespace, plan: Plan) -> dict[str, Any]:
    """What `--input` and `--inputs` give, by name, not yet held against the plan."""
    given = _file(arguments.inputs) if arguments.inputs else {}
    for pair in arguments.input:
        name, text = named(pair, "--input")
        given[name] = value_of(name, text, plan.inputs.get(name, {}), plan.types)
    return given


def given_answers(arguments: Namespace, waiting: Waiting) -> dict[str, Any]:
    """What `--answer` gives, by name, not yet held against what is asked for."""
    pairs = [named(pair, "--answer") for pair in arguments.answer]
    return {
        name: value_of(name, text, waiting.outputs.get(name, {}), waiting.types, option="--answer")
        for name, text in pairs
    }


def named(pair: str, option: str) -> tuple[str, str]:
    """The name and the text of `NAME=VALUE`; raises `UserError`."""
    name, equals, text = pair.partition("=")
    if not equals:
        raise UserError(f"`{option} {pair}` has no `=`; write `{option} NAME=VALUE`")
    return name, text


def value_of(
    name: str, text: str, schema: Mapping[str, Any], types: Mapping[str, Any], *, option: str = "--input"
) -> Any:
    """Text where the schema says string, JSON for all others; raises `UserError`."""
    if "$ref" in schema:
        schema = types.get(schema["$ref"].rpartition("/")[2], {})
    if schema.get("type", "string") in {"string", "secret"}:
        return text
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except _Twice as twice:
        raise UserError(f"`{option} {name}=...`: the key `{twice}` is given twice") from None
    except (ValueError, RecursionError):
        kind = schema["type"]
        if not option:  # it is typed at a question
            raise UserError(f"it is of type {kind}, written as JSON") from None
        raise UserError(f"`{option} {name}={printable(text)}`: `{name}` is of type {kind}, written as JSON") from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


class _Twice(Exception):
    """A key of an object is given twice."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def _file(name: str) -> dict[str, Any]:
    content = sys.stdin.buffer.read() if name == "-" else capsules.read_bytes(Path(name))
    source, found = decode_source(name, content)
    root, mistakes = (None, found) if found else read_yaml(source)
    if mistakes or root is None:
        raise UserError(_mistake(source, mistakes))
    value = root.plain()
    if not isinstance(value, dict):
        raise UserError(f"`{name}` must hold a mapping of inputs by name")
    return value


def _mistake(source: Source, mistakes: Any) -> str:
    from somagent.capsule_compiler.diagnostics import render_all  # noqa: PLC0415  only a mistake needs it

    return f"`{source.name}` cannot be read\n{render_all(source, mistakes)}".rstrip()
