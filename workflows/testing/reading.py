"""A file of tests read whole: every mistake in it at its place, before anything is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from somagent.capsule_compiler.diagnostics import is_error
from somagent.governance.constitution import Constitution
from somagent.governance.documents import (
    BAD,
    Diagnostic,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    Shape,
    ShapeCheck,
    Source,
    Span,
    bounded,
    decode_source,
    key_at,
    model_schema,
    node_at,
    read_yaml,
    shape_of,
)
from somagent.governance.documents import Path as Place
from somagent.workflows.capsules import SUFFIX, Installation, NotReadable
from somagent.workflows.testing.model import Answer, CapsuleTest, Case, Shared
from somagent.workflows.testing.subject import Subject, compile_subject

CASES: Place = ("spec", "cases")
T = TypeVar("T")


class Text(Struct, frozen=True):
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


class TestFile(Struct, frozen=True):
    """A file of tests without a mistake, and the capsule that it tests."""

    text: Text
    cases: Sequence[Case]  # in the order of the text
    subject: Subject
    inputs: Mapping[str, Any]  # of every case that does not give them itself
    answers: Mapping[str, Answer]

    def inputs_of(self, case: Case) -> dict[str, Any]:
        """What the case's run is given."""
        return {**self.inputs, **case.inputs}

    def answers_of(self, case: Case) -> dict[str, Answer]:
        """What steps answer in the case."""
        return {**self.answers, **case.answers}


class Read(Struct, frozen=True):
    """What came of a file; without a mistake there is a `file`."""

    source: Source
    file: TestFile | None
    diagnostics: tuple[Diagnostic, ...]
    capsule: Path | None = None  # the one that it tests, where that is clear


@cache
def test_shape() -> Shape:
    """The form of a file of tests."""
    return shape_of(model_schema(CapsuleTest))


def read_test(path: Path, content: bytes, installation: Installation, constitution: Constitution) -> Read:
    """Reads a file of tests and compiles its capsule; what is sound is looked at whatever else is wrong."""
    from somagent.workflows.testing.checks import check_case, check_shared  # noqa: PLC0415  brings validators along

    source, found = decode_source(str(path), content)
    if found:
        return Read(source, None, tuple(found))
    root, mistakes = read_yaml(source)
    if root is None:
        return Read(source, None, tuple(mistakes))
    form = ShapeCheck(source)
    form.check(root, test_shape(), ())
    found = [*mistakes, *form.diagnostics]
    text = Text(source, root, path)
    subject, unclear = _subject(text, installation, constitution)
    found += unclear
    cases = [_sound(source, one, _shape("cases").items, Case) for one in _items(root)]
    file = None
    if subject is not None:
        shared = _shared(text)
        sound = [case for case in cases if case is not None]
        file = TestFile(text, sound, subject, shared.inputs, shared.answers)
        found += _twice(text, cases)
        found += check_shared(file)
        of_cases: list[Diagnostic] = []
        for number, case in enumerate(cases):
            place = (*CASES, number)
            if case is not None:
                whole = not any(bad[: len(place)] == place for bad in form.bad_paths)
                of_cases += check_case(file, case, place, whole=whole)
        read_otherwise = {one.span for one in mistakes}  # by kubectl, which is told already
        of_capsule = [one for one in of_cases if one.name == "test-capsule-wrong"][1:]  # once is enough
        found += [one for one in of_cases if one.span not in read_otherwise and one not in of_capsule]
    wrong = any(map(is_error, found))
    shown = tuple(bounded(sorted(found, key=lambda one: (one.span, one.name))))
    return Read(source, None if wrong else file, shown, subject.path if subject is not None else None)


def _shape(field: str) -> Shape:
    return test_shape().fields["spec"].fields[field]


def _items(root: Node) -> Sequence[Node]:
    node = node_at(root, CASES)
    return node.items if isinstance(node, SequenceNode) else ()


def _sound(source: Source, node: Node, shape: Shape, type_: type[T]) -> T | None:
    """What can be used of a part, whatever else is wrong in the file."""
    value = ShapeCheck(source).check(node, shape, ())
    return msgspec.convert(value, type_) if value is not BAD else None


def _shared(text: Text) -> Shared:
    node = node_at(text.root, ("spec",))
    entries = node.entries if isinstance(node, MappingNode) else {}
    parts = {}
    for name in Shared.__struct_fields__:
        value = ShapeCheck(text.source).check(entries[name].value, _shape(name), ()) if name in entries else BAD
        parts[name] = value if value is not BAD else {}
    return msgspec.convert(parts, Shared)


def _subject(
    text: Text, installation: Installation, constitution: Constitution
) -> tuple[Subject | None, list[Diagnostic]]:
    place: Place = ("spec", "capsule")
    named = node_at(text.root, place)
    folder = text.path.parent
    if isinstance(named, ScalarNode):
        path, span = folder / named.text, named.span
        help_ = "it is a path from the file of tests, such as `../hello.capsule.yaml`"
    else:
        above = folder.parent if str(folder) != "." else Path("..")
        found = sorted(above.glob(f"*{SUFFIX}"))
        found = [one for one in found if one.name == text.path.stem + SUFFIX] or found
        span, help_ = text.key(("spec",)), "name it with `capsule:`, a path from this file"
        if len(found) != 1:
            names = ", ".join(f"`{one.name}`" for one in found[:20]) or "none"
            message = (
                f"the folder above has not one capsule but {len(found)} ({names}), so it is not clear what is tested"
            )
            return None, [Diagnostic("test-capsule-unclear", message, span, help=help_)]
        path = found[0]
    try:
        if "\0" in str(path):  # no path has it
            raise NotReadable(str(path))
        return compile_subject(path, installation, constitution), []
    except NotReadable:
        message = f"there is no capsule `{named.text if isinstance(named, ScalarNode) else path.name}` that can be read"
        return None, [Diagnostic("test-capsule-unclear", message, span, help=help_)]


def slug(name: str) -> str:
    """A case's name as a file name: letters, digits and hyphens."""
    text = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())
    return "-".join(part for part in text.split("-") if part)[:80] or "case"


def _twice(text: Text, cases: Sequence[Case | None]) -> Iterator[Diagnostic]:
    first: dict[str, str] = {}
    for number, case in enumerate(cases):
        if case is None:
            continue
        name = slug(case.name)
        if name in first:
            other = first[name]
            like = "" if other == case.name else f", and `{other}` is the same but for signs and case"
            yield Diagnostic(
                "test-case-twice",
                f"there is another case of the name `{case.name}`{like}",
                text.span((*CASES, number, "name")),
                help="names tell cases apart, in reports and for `-k`",
            )
        first.setdefault(name, case.name)
