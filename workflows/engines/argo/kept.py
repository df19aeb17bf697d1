"""A plan and its files as ConfigMaps, and back: what a Workflow begins from that was submitted without us.

Each ConfigMap is small enough for `kubectl apply`, which writes the whole object into an annotation; a plan or file
that is larger is kept in parts. All of them are mounted into one folder. Names tell contents, so nothing ever changes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.plan import Plan, canonical_json, decode_plan, digest_of, encode_plan
from somagent.workflows.engines.protocol import EngineError

PLAN = "plan.json"
MOST_BYTES = 4 << 20  # in all: they lie in the memory of the node while a run begins
_MAP_BYTES = 200_000  # of a ConfigMap as JSON; an annotation has at most 256 KiB
_PART_BYTES = 40_000  # of a part as it is; in JSON a byte has six at most


def kept_in(plan: Plan, files: Mapping[str, bytes]) -> list[Mapping[str, dict[str, str]]]:
    """The data of each ConfigMap; `files` are the plan's own by path and those of its capsules by digest.

    Raises `EngineError` when it would be too much.
    """
    whole = {PLAN: encode_plan(plan)}
    wanted = [(file, file.path) for file in plan.files]
    wanted += [(file, file.digest) for below in plan.capsules.values() for file in below.files]
    for file, key in wanted:
        content = files.get(key)
        if content is None or digest_of(content) != file.digest:
            raise EngineError(f"`{file.path}` changed since the capsule was compiled; compile it again")
        whole[_entry(file.digest)] = content
    size = sum(map(len, whole.values()))
    if size > MOST_BYTES:
        largest = sorted({(file.size, file.path) for file, _ in wanted}, reverse=True)[:3]
        named = ", ".join(f"`{path}` ({count:,} bytes)" for count, path in largest)
        raise EngineError(
            f"the plan and its files have {size:,} bytes, and a cluster is given {MOST_BYTES:,} at most"
            + (f"; the largest files are {named}" if named else "")
            + ": take less along, or hand it in as an artifact"
        )
    parts = (part for name, content in whole.items() for part in _parts(name, content))
    return list(_packed(parts))


def read_kept(folder: Path) -> tuple[Plan, dict[str, bytes]]:
    """The plan and its files, as `kept_in` was given them, from the folder in which all its data are mounted.

    Raises `EngineError` when something is missing, or is not what the plan says.
    """
    parts = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}

    def whole(name: str) -> bytes:
        if name in parts:
            return parts[name]
        numbered = [number for one in parts if (number := one.removeprefix(f"{name}.")).isdigit() and number != one]
        if not numbered:
            raise EngineError(f"{folder} has no `{name}`: a ConfigMap of this workflow is missing; apply it anew")
        return b"".join(parts[f"{name}.{number}"] for number in sorted(numbered))

    plan = decode_plan(whole(PLAN))
    files = {file.path: whole(_entry(file.digest)) for file in plan.files}
    files |= {file.digest: whole(_entry(file.digest)) for below in plan.capsules.values() for file in below.files}
    return plan, files


def _entry(digest: str) -> str:
    return digest.replace(":", "-")


def _parts(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The entry, or its parts, numbered so that their names are in their order."""
    if _size(_as_text(content), content) <= _MAP_BYTES:
        yield name, content
        return
    for number, start in enumerate(range(0, len(content), _PART_BYTES)):
        yield f"{name}.{number:03}", content[start : start + _PART_BYTES]


def _packed(entries: Iterator[tuple[str, bytes]]) -> Iterator[Mapping[str, dict[str, str]]]:
    room, data, binary = _MAP_BYTES, dict[str, str](), dict[str, str]()
    for name, content in entries:
        text = _as_text(content)
        size = len(name) + _size(text, content) + 10
        if size > room and (data or binary):
            yield _map(data, binary)
            room, data, binary = _MAP_BYTES, {}, {}
        if text is None:
            binary[name] = base64.b64encode(content).decode()
        else:
            data[name] = text
        room -= size
    yield _map(data, binary)


def _size(text: str | None, content: bytes) -> int:
    """Bytes in JSON as Go writes it, which escapes what HTML would read."""
    if text is None:
        return 4 * len(content) // 3 + 4
    return len(content) + sum(text.count(one) for one in '"\\\n\r\t') + 5 * sum(text.count(one) for one in "<>&")


def _map(data: dict[str, str], binary: dict[str, str]) -> Mapping[str, dict[str, str]]:
    return {key: value for key, value in (("data", data), ("binaryData", binary)) if value}


def _as_text(content: bytes) -> str | None:
    """As text where people can read it."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text) else text


def names_of(base: str, data: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each ConfigMap, which follows from what is in it."""
    return [f"{base}-{digest_of(canonical_json(one)).removeprefix('sha256:')[:12]}" for one in data]
