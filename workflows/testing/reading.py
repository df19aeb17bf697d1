"""A file of tests read whole: every mistake in it at its place, before anything is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
from msgspec import UNSET

from somagent.capsule_compiler.diagnostics import is_error
from somagent.governance.constitution import Constitution
from somagent.governance.documents import (
    Diagnostic,
    MappingNode,
    Node,
    ScalarNode,
    Shape,
    ShapeCheck,
    Source,
    Span,
    decode_source,
    key_at,
    model_schema,
    node_at,
    read_yaml,
    shape_of,
)
from somagent.governance.documents import Path as Place
from somagent.workflows.capsules import SUFFIX, Installation, NotReadable
from somagent.workflows.testing.model import CapsuleTest, Case
from somagent.workflows.testing.subject import Subject, compile_subject

CASES: Place = ("spec", "cases")


@dataclass(frozen=True, slots=True)
class Text:
    """A file of tests as text and tree: where things stand in it."""

    source: Source
    root: Node
    path: Path

    def span(self, place: Place) -> Span:
        """Where the value at a place stands; the nearest one above it when there is none."""
        while (node := node_at(self.root, place)) is None:
            place = place[:-1]
        return node.span

    def key(self, place: Place) -> Span:
        """Where the key at the end of a place stands."""
        key = key_at(self.root, place)
        return key.span if key is not None else self.span(place)

    def line(self, place: Place) -> int:
        """The line of a place."""
        return self.source.position(self.key(place).start).line


@dataclass(frozen=True, slots=True)
class TestFile:
    """A file of tests without a mistake, and the capsule that it tests."""

    text: Text
    document: CapsuleTest
    subject: Subject

    @property
    def cases(self) -> list[Case]:
        """In the order of the text."""
        return self.document.spec.cases


@dataclass(frozen=True, slots=True)
class Read:
    """What came of a file; without a mistake there is a `file`."""

    source: Source
    file: TestFile | None
    diagnostics: tuple[Diagnostic, ...]


@cache
def test_shape() -> Shape:
    """The form of a file of tests."""
    return shape_of(model_schema(CapsuleTest))


def read_test(path: Path, content: bytes, installation: Installation, constitution: Constitution) -> Read:
    """Reads a file of tests and compiles its capsule."""
    from somagent.workflows.testing.checks import check_case  # noqa: PLC0415  brings validators along

    source, found = decode_source(str(path), content)
    if found:
        return Read(source, None, tuple(found))
    root, found = read_yaml(source)
    if root is None or found:
        return Read(source, None, tuple(found))
    form = ShapeCheck()
    form.check(root, test_shape(), ())
    if form.diagnostics:
        return Read(source, None, _in_order(form.diagnostics))
    text = Text(source, root, path)
    document = msgspec.convert(root.plain(), CapsuleTest)
    subject, found = _subject(text, document, installation, constitution)
    if subject is None:
        return Read(source, None, tuple(found))
    found = [*_twice(text, document)]
    for number, case in enumerate(document.spec.cases):
        found += check_case(text, case, (*CASES, number), subject)
    file = TestFile(text, document, subject) if not any(map(is_error, found)) else None
    return Read(source, file, _in_order(found))


def _in_order(found: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(found, key=lambda one: (one.span, one.name)))


def _subject(
    text: Text, document: CapsuleTest, installation: Installation, constitution: Constitution
) -> tuple[Subject | None, list[Diagnostic]]:
    named = document.spec.capsule
    folder = text.path.parent
    if named is not UNSET:
        path, span = folder / named, text.span(("spec", "capsule"))
        help_ = "it is a path from the file of tests, such as `../hello.capsule.yaml`"
    else:
        above = folder.parent if str(folder) != "." else Path("..")
        found = sorted(above.glob(f"*{SUFFIX}"))
        span, help_ = text.key(("spec",)), "name it with `capsule:`, a path from this file"
        if len(found) != 1:
            names = ", ".join(f"`{one.name}`" for one in found) or "none"
            message = (
                f"the folder above has not one capsule but {len(found)} ({names}), so it is not clear what is tested"
            )
            return None, [Diagnostic("test-capsule-unclear", message, span, help=help_)]
        path = found[0]
    try:
        return compile_subject(path, installation, constitution), []
    except NotReadable:
        message = f"there is no capsule `{named if named is not UNSET else path.name}` that can be read"
        return None, [Diagnostic("test-capsule-unclear", message, span, help=help_)]


def slug(name: str) -> str:
    """A case's name as a file name: letters, digits and hyphens."""
    text = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())
    return "-".join(part for part in text.split("-") if part)[:80] or "case"


def _twice(text: Text, document: CapsuleTest) -> Iterator[Diagnostic]:
    first: dict[str, str] = {}
    for number, case in enumerate(document.spec.cases):
        other = first.setdefault(slug(case.name), case.name)
        if number and any(slug(case.name) == slug(one.name) for one in document.spec.cases[:number]):
            like = "" if other == case.name else f", and `{other}` is the same but for signs and case"
            yield Diagnostic(
                "test-case-twice",
                f"there is another case of the name `{case.name}`{like}",
                text.span((*CASES, number, "name")),
                help="names tell cases apart, in reports and for `-k`",
            )


def is_test(root: Node | None) -> bool:
    """Whether a document says that it is a file of tests."""
    kind = root.entries.get("kind") if isinstance(root, MappingNode) else None
    return kind is not None and isinstance(kind.value, ScalarNode) and kind.value.value == "CapsuleTest"
