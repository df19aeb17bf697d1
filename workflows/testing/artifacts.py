"""Artifacts that a run gave, held against what a case says of them: their content counts, not their digest."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any

from somagent.operators.runner.artifacts import read_artifact
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.tree import TreeFile

_SHORT = 10  # lines that are shown whole; of longer texts, what differs


def artifact_difference(wanted: Mapping[str, Any], value: Any, folder: Path, contents: Contents) -> tuple[str, str]:
    """What was expected and what there is, as people read them; two empty texts when they are the same.

    `wanted` has one of `text`, `contains`, `files` and `path`, which is below `folder`.
    """
    artifact = read_artifact(value)
    if artifact is None:
        return "an artifact", "nothing"
    if artifact.kind == "file":
        found = {"": contents.read_bytes(artifact.artifact)}
    else:
        files = [one for one in contents.tree(artifact).entries if isinstance(one, TreeFile)]
        found = {one.path: contents.read_bytes(one.digest) for one in files}
    if "contains" in wanted:
        same = any(wanted["contains"].encode() in content for content in found.values())
        return ("", "") if same else (f"it contains: {wanted['contains']}", _shown(found))
    return _difference(_wanted(wanted, folder), found)


def _wanted(wanted: Mapping[str, Any], folder: Path) -> dict[str, bytes]:
    """Content by path; of a single file, by the empty one."""
    if "text" in wanted:
        return {"": wanted["text"].encode()}
    if "files" in wanted:
        return {path: text.encode() for path, text in wanted["files"].items()}
    path = folder / wanted["path"]
    if path.is_file():
        return {"": path.read_bytes()}
    below = sorted(one for one in path.rglob("*") if one.is_file())
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in below}


def _difference(wanted: Mapping[str, bytes], found: Mapping[str, bytes]) -> tuple[str, str]:
    if wanted == found:
        return "", ""
    if wanted.keys() != found.keys():
        return _names(wanted), _names(found)
    path = next(path for path in wanted if wanted[path] != found[path])
    expected, actual = (_text(content) for content in (wanted[path], found[path]))
    before = f"in `{path}`: " if path else ""
    if max(expected.count("\n"), actual.count("\n")) <= _SHORT:
        return before + expected, before + actual
    lines = unified_diff(expected.splitlines(), actual.splitlines(), "expected", "actual", lineterm="", n=1)
    return f"{before}the text expected", "\n".join(lines)


def _names(files: Mapping[str, bytes]) -> str:
    return "a file" if "" in files else f"a folder with {', '.join(sorted(files)) or 'nothing in it'}"


def _shown(files: Mapping[str, bytes]) -> str:
    if "" not in files:
        return _names(files)
    lines = _text(files[""]).splitlines() or ["nothing"]
    return "\n".join([*lines[:_SHORT], *(["..."] if len(lines) > _SHORT else [])])


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")
