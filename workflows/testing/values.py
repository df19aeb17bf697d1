"""Values in a file of tests, held against declared types: an answer of another type would prove nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec

from somagent.capsule_compiler.value_validators import value_validator
from somagent.governance.canonical import canonical_json
from somagent.governance.documents import Diagnostic
from somagent.governance.documents import Path as Place
from somagent.workflows.testing.reading import Text

_FORMS = ("text", "path", "files")
_EXPECTED_FORMS = (*_FORMS, "contains")
_LONGEST = 240


def value_faults(
    text: Text,
    value: Any,
    schema: Mapping[str, Any],
    types: Mapping[str, Any],
    place: Place,
    *,
    fault: str = "test-answer-wrong",
) -> Iterator[Diagnostic]:
    """What the schema does not take, each at its place; messages call the value by the place's last part."""
    stored = canonical_json({**schema, "types": dict(types)})  # as a plan on disk has it: a limit is 0 there, not 0.0
    validator = value_validator(msgspec.json.decode(stored))
    for error in validator.iter_errors(value):
        inside = tuple(error.instance_path)
        name = ".".join(str(part) for part in (place[-1], *inside))
        message = f"`{name}` is not of the declared type: {error.message[:_LONGEST]}"
        yield Diagnostic(fault, message, text.span((*place, *inside)))


def artifact_faults(text: Text, value: Any, place: Place, *, expected: bool = False) -> Iterator[Diagnostic]:
    """What is wrong with what stands for an artifact: a text, files by name, or a path beside the file of tests.

    Of one that is `expected`, a part of the text may be said, and its name may not.
    """
    known = _EXPECTED_FORMS if expected else _FORMS
    forms = [form for form in known if isinstance(value, dict) and form in value]
    others = {forms[0], *([] if expected else ["name"])} if forms else set()
    if len(forms) != 1 or value.keys() - others or not _is_sound(value):
        message = f"`{place[-1]}` is an artifact"
        help_ = (
            f"write `{{ text: ... }}` with the content of a file, {'`{ contains: ... }` with a part, ' * expected}"
            "`{ files: { NAME: TEXT } }` with those of a folder, or `{ path: ... }` of a file or folder beside this one"
        )
        yield Diagnostic("test-answer-wrong", message, text.span(place), help=help_)
        return
    if "path" in value and not os.path.exists(text.path.parent / value["path"]):  # noqa: PTH110  no path is too long for it
        message = f"there is no `{value['path']}` in the folder of this file"
        yield Diagnostic("test-answer-wrong", message, text.span((*place, "path")))
    for name in value.get("files", ()):
        if not _stays_inside(name):
            message = f"`{name}` is no path below a folder"
            help_ = "such as `README.md` or `src/main.py`"
            yield Diagnostic("test-answer-wrong", message, text.key((*place, "files", name)), help=help_)
    if "/" in value.get("name", "") or value.get("name") in {"", ".", ".."}:
        yield Diagnostic("test-answer-wrong", "the name of an artifact is one file name", text.span((*place, "name")))


def _is_sound(value: dict[str, Any]) -> bool:
    texts = [part for name, part in value.items() if name != "files"]
    files = value.get("files", {})
    return isinstance(files, dict) and all(isinstance(part, str) for part in (*texts, *files.values()))


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\x00" not in name
