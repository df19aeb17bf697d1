"""What a check of a text can take over from the one before: expressions and steps that stand as they stood.

A text that is being written is checked again with every keystroke, and of a thousand steps one has changed. Only what
depends on nothing else is kept: what an expression says, its type over the types of what it reads, what a step is by
itself. Mistakes are never kept, since they speak of what else there is, and of places, which move.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct

from somagent.governance.cel import (
    Checked,
    Expr,
    ObjectType,
    Reference,
    Type,
    check,
    closed_parts,
    parse,
    read_template,
    references,
)
from somagent.governance.documents import Before, Diagnostic

if TYPE_CHECKING:
    from somagent.capsule_compiler.draft import StepDraft


class Reading(Struct, frozen=True, gc=False):
    """An expression that was read."""

    expr: Expr
    text: str
    reads: tuple[Reference, ...]


class ReadTemplate(Struct, frozen=True, gc=False):
    """A text with holes that was read, and what is wrong with those that are not among the parts."""

    parts: tuple[str | Reading, ...]
    faults: tuple[Diagnostic, ...]

    @property
    def holes(self) -> list[Reading]:
        """What fills the holes, in the order written."""
        return [part for part in self.parts if isinstance(part, Reading)]


_Kept = TypeVar("_Kept")


class Table(Generic[_Kept]):
    """What was found in this check of a text, or in the one before it; what neither needed is forgotten."""

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._now: dict[Hashable, _Kept] = {}
        self._before: dict[Hashable, _Kept] = {}

    def again(self) -> None:
        """Another check begins."""
        self._before, self._now = self._now, {}

    def get(self, key: Hashable) -> _Kept | None:
        """What is kept under a key."""
        found = self._now.get(key)
        if found is None:
            found = self._before.get(key)
            if found is not None:
                self._now[key] = found
        return found

    def keep(self, key: Hashable, found: _Kept) -> _Kept:
        """Keeps it for this check and the next."""
        self._now[key] = found
        return found


class Readings:
    """What was read in this check of a text and, when it is `lasting`, in the one before it.

    For a text that is checked once only what may well be asked for again in it is kept.
    """

    def __init__(self, *, lasting: bool = False) -> None:
        self.lasting = lasting
        self.document: Before | None = None  # the text as it could last be read
        self._templates = Table[ReadTemplate]()
        self._bare = Table[Reading]()
        self._checked: Table[tuple[Reading, Checked]] = Table()
        self.steps: Table[StepDraft] = Table()  # sound ones as their form says, by text
        self._read_steps: Table[tuple[StepDraft, StepDraft]] = Table()

    def again(self) -> None:
        """The text is about to be checked again."""
        for table in (self._templates, self._bare, self._checked, self.steps, self._read_steps):
            table.again()

    def read_step(self, step: StepDraft) -> StepDraft | None:
        """The same step with its expressions, if it was kept."""
        found = self._read_steps.get(id(step))
        return None if found is None else found[1]

    def keep_step(self, step: StepDraft, read: StepDraft) -> None:
        """Keeps a step whose expressions were read without a mistake, and which needs nothing else to be the same."""
        if self.lasting:
            self._read_steps.keep(id(step), (step, read))

    def template(self, text: str) -> ReadTemplate:
        """The parts of a text with holes, and its mistakes."""
        found = self._templates.get(text)
        if found is None:
            template, faults = read_template(text)
            parts = [part if isinstance(part, str) else _read(part.expr, part.text) for part in template.parts]
            found = self._templates.keep(text, ReadTemplate(tuple(parts), faults))
        return found

    def bare(self, text: str) -> Reading:
        """A text that is an expression as a whole. Raises `SyntaxFault`."""
        return self._bare.get(text) or self._bare.keep(text, _read(parse(text), text.strip()))

    def check(self, reading: Reading, scope: Mapping[str, Type], wanted: Type | None) -> Checked:
        """What the checker says of an expression."""
        surroundings = _surroundings(reading.reads, scope) if self.lasting else None
        if surroundings is None:
            return check(reading.expr, scope, wanted=wanted)
        key = (id(reading), wanted, *surroundings)
        known = self._checked.get(key)
        if known is not None:
            return known[1]
        found = check(reading.expr, scope, wanted=wanted)
        if not found.diagnostics:
            self._checked.keep(key, (reading, found))
        return found


def _read(expr: Expr, text: str) -> Reading:
    return Reading(expr, text, references(expr))


def _surroundings(reads: tuple[Reference, ...], scope: Mapping[str, Type]) -> list[object] | None:
    """All that the type of a sound expression follows from, besides its text; None when something is not there.

    It is the types of what is read, as far as objects with known members lead, and whether those members may be absent.
    """
    found: list[object] = []
    for reference in reads:
        root, *members = reference.names
        type_ = scope.get(root)
        for name in members:
            if not isinstance(type_, ObjectType):
                break
            member = type_.fields.get(name)
            if member is None:
                return None
            found.append(member.required)
            type_ = member.type
        if type_ is None:
            return None
        found.append(type_)
        found.append(closed_parts(type_))
    return found
