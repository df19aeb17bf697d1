"""Reads manifests in JSON and TOML; whatever is wrong with one, the caller gets one kind of fault with its line."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any


class Unreadable(Exception):
    """The manifest cannot be parsed; `line` counts from 1 where it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def parse(path: str, text: str) -> dict[str, Any]:
    """The document of a manifest, by the suffix of its name. Raises Unreadable, also when it is no object."""
    try:
        document = tomllib.loads(text) if path.endswith(".toml") else json.loads(text)
    except json.JSONDecodeError as fault:
        raise Unreadable(fault.msg, fault.lineno) from None
    except tomllib.TOMLDecodeError as fault:
        line = re.search(r"at line (\d+)", str(fault))
        raise Unreadable(str(fault), int(line[1]) if line else None) from None
    except (ValueError, RecursionError) as fault:
        raise Unreadable(str(fault) or type(fault).__name__) from None
    if not isinstance(document, dict):
        raise Unreadable("it holds no object", 1)
    return document


def table(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """The table at that path, empty when something else or nothing is there."""
    for name in names:
        inner = document.get(name)
        document = inner if isinstance(inner, dict) else {}
    return document
