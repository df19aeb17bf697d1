"""What a code means, shown on an example: for `somagent explain` and for the page of all codes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from somagent.capsule_compiler.diagnostics.codes import CODES, Code, code_of
from somagent.capsule_compiler.diagnostics.examples import Example, example_of
from somagent.governance.documents import nearest

_NUMBER = re.compile(r"CAP[0-9]{3}", re.IGNORECASE)
_LONGEST = 60
"""Lines of a shown file: an example that is longer makes its point in the first ones."""


class UnknownCode(Exception):
    """There is no such code; the message says what may have been meant."""


class Explanation(Struct, frozen=True, kw_only=True, rename="camel"):
    """A code with its example."""

    code: str
    name: str
    severity: str
    meaning: str
    fails: str
    shown: str
    fixed: str
    beside_fails: dict[str, str]
    beside_fixed: dict[str, str]
    note: str = ""

    @property
    def text(self) -> str:
        """All of it, for a terminal."""
        return "\n".join(_lines(self)) + "\n"


def explain(code: str) -> Explanation:
    """Explains a code by its number (`CAP203`, `cap203`, `203`) or name (`unknown-output`); raises `UnknownCode`."""
    try:
        found = code_of(f"CAP{code}" if code.isdecimal() else code)
    except KeyError:
        raise UnknownCode(_unknown(code)) from None
    example = example_of(found)
    return Explanation(
        code=found.number,
        name=found.name,
        severity=found.severity,
        meaning=found.meaning,
        fails=example.written("fails"),
        shown=example.shown,
        fixed=example.written("fixed"),
        beside_fails=_beside(example, "fails"),
        beside_fixed=_beside(example, "fixed"),
        note=_note(example, found),
    )


def _unknown(code: str) -> str:
    names = [one.number for one in CODES] if code[:3].upper() == "CAP" else [one.name for one in CODES]
    near = nearest(code.upper() if code[:3].upper() == "CAP" else code, names)
    if _NUMBER.fullmatch(code):  # no number is like another one
        near = None
    hint = f"did you mean `{near}`?" if near else "`somagent explain` lists all"
    return f"there is no code `{code}`; {hint}"


def _note(example: Example, code: Code) -> str:
    growth = example.growth
    if growth is not None:
        return f"Line {growth.line} of {growth.file} stands for {growth.times:,} such lines."
    if example.locked:
        return "It is checked with `--locked`."
    return "Bytes that are not UTF-8 are shown as `\\x..`." if code.name == "not-utf-8" else ""


def _beside(example: Example, which: str) -> dict[str, str]:
    root = example.folder / f"{which}.beside"
    files = {path.relative_to(root).as_posix(): path for path in example.beside(which)}
    governing = example.folder / "governing.constitution.yaml"
    if governing.exists():
        files["the constitution that governs"] = governing
    tested = example.folder / "tested.capsule.yaml"
    if tested.exists():
        files[tested.name] = tested
    for path in sorted(example.packages.rglob("*.yaml")):
        files[f"package {path.relative_to(example.packages).as_posix()}"] = path
    return {name: path.read_text(encoding="utf-8") for name, path in files.items()}


def _lines(one: Explanation) -> Iterator[str]:
    yield f"{one.code} {one.name} ({one.severity})"
    yield ""
    yield one.meaning
    yield ""
    yield "This fails:"
    yield from _indented(one.fails)
    for name, content in one.beside_fails.items():
        yield f"with {name}:"
        yield from _indented(content)
    if one.note:
        yield one.note
        yield ""
    yield "It is shown so:"
    yield from _indented(one.shown)
    yield "This is right:"
    yield from _indented(one.fixed)
    for name, content in one.beside_fixed.items():
        if one.beside_fails.get(name) != content:
            yield f"with {name}:"
            yield from _indented(content)


def _indented(text: str) -> Iterator[str]:
    lines = text.splitlines()
    yield ""
    for line in lines[:_LONGEST]:
        yield f"    {line}".rstrip()
    if len(lines) > _LONGEST:
        yield f"    ... ({len(lines) - _LONGEST} more lines)"
    yield ""
