"""Applies the edits that diagnostics offer, round by round, until there is nothing left to mend.

The edits of a round do not overlap; where two would, the first in the text is taken, and the other has its turn in the
next round, if it is still needed. No round is believed: the mended text is checked again, and an edit after which the
text cannot be read, means something else, still has its mistake or has another one at that place is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from somagent.capsule_compiler.diagnostics.codes import code_of, is_error
from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Edit, Position, Source, read_yaml

ROUNDS = 100
_SINGLY = 100  # edits of a file that are tried one by one, when they do not go together and none is to blame


class Checked(Struct, frozen=True):
    """A text and what was found in it; `meaning` is the digest of what it means when it has no error."""

    source: Source
    diagnostics: Sequence[Diagnostic]
    meaning: str | None = None


Check = Callable[[str], Checked]


class Applied(NamedTuple):
    """An edit that was made, and where in the text as it then was."""

    code: str
    title: str
    message: str
    position: Position


class Mended(NamedTuple):
    """The mended text, checked, and what was done to it."""

    checked: Checked
    applied: tuple[Applied, ...]


class _Offer(NamedTuple):
    diagnostic: Diagnostic
    edit: Edit

    @property
    def key(self) -> tuple[str, str, Edit]:
        """By which a refused one is known again."""
        return self.diagnostic.name, self.diagnostic.message, self.edit


def offers(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> int:
    """How many diagnostics have an edit that `fix` would try."""
    return len(_offers(diagnostics, unsafe=unsafe))


def _offers(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> list[_Offer]:
    return [_Offer(one, one.edit) for one in diagnostics if one.edit is not None and (unsafe or one.edit.safe)]


def fix(first: Checked, check: Check, *, unsafe: bool = False) -> Mended:
    """Applies every safe edit, and with `unsafe` the guesses too, until nothing changes."""
    now = first
    applied: list[Applied] = []
    refused: set[tuple[str, str, Edit]] = set()
    seen = {first.source.text}
    tries = iter(range(_SINGLY))
    for _ in range(ROUNDS):
        chosen = list(_chosen(_offers(now.diagnostics, unsafe=unsafe), refused))
        if not chosen:
            break
        after = check(_edited(now.source.text, chosen))
        if not _better(now, after, chosen):
            after, chosen = _those_that_hold(now, after, check, chosen, refused=refused, tries=tries)
        if not chosen:
            continue
        if after.source.text in seen:
            break
        seen.add(after.source.text)
        applied += (_applied(now.source, one) for one in chosen)
        now = after
        refused.clear()  # what did not hold may hold in this text
    return Mended(now, tuple(applied))


def _chosen(offered: Iterable[_Offer], refused: set[tuple[str, str, Edit]]) -> Iterator[_Offer]:
    wanted = [one for one in offered if one.key not in refused]
    end = -1
    for one in sorted(wanted, key=lambda one: (one.edit.span, not one.edit.safe, one.diagnostic.name, one.edit.text)):
        if one.edit.span.start >= end and not (one.edit.span.start == end == one.edit.span.end):
            yield one
            end = max(one.edit.span.end, one.edit.span.start)


def _those_that_hold(
    now: Checked,
    after: Checked,
    check: Check,
    chosen: list[_Offer],
    *,
    refused: set[tuple[str, str, Edit]],
    tries: Iterator[int],
) -> tuple[Checked, list[_Offer]]:
    """The edits that can be made together, and the text with them; all others are refused.

    Those that are to blame go first, all at once: many edits cost a few checks, not one each.
    """
    while blamed := [one for one, to_blame in zip(chosen, _to_blame(now, after, chosen), strict=True) if to_blame]:
        refused.update(one.key for one in blamed)
        chosen = [one for one in chosen if one not in blamed]
        if not chosen:
            return now, []
        after = check(_edited(now.source.text, chosen))
        if _better(now, after, chosen):
            return after, chosen
    holding: list[_Offer] = []
    best = now
    for one in chosen:
        if next(tries, None) is None:
            refused.add(one.key)
            continue
        after = check(_edited(now.source.text, [*holding, one]))
        if _better(now, after, [*holding, one]):
            holding.append(one)
            best = after
        else:
            refused.add(one.key)
    return best, holding


def _to_blame(before: Checked, after: Checked, chosen: Sequence[_Offer]) -> list[bool]:
    """For each edit whether its mistake is still there, or a new one is at its place."""
    left = Counter(map(_said, after.diagnostics))
    known = Counter(map(_said, before.diagnostics))
    new = [one for one in after.diagnostics if is_error(one) and _said(one) not in known]
    if _were_unreadable(chosen):
        new = []
    places = _places(chosen)
    found = []
    for offer, (start, end) in zip(chosen, places, strict=True):
        stays = left[_said(offer.diagnostic)] >= known[_said(offer.diagnostic)]
        found.append(stays or any(start <= one.span.start and one.span.end <= end for one in new))
    return found


def _better(before: Checked, after: Checked, chosen: Sequence[_Offer]) -> bool:
    """The mistakes are gone, the text can be read if it could, and what had a meaning still has it."""
    counts = Counter(map(_said, before.diagnostics))
    counts.subtract(map(_said, after.diagnostics))
    all_known = len(before.diagnostics) < MAX_MISTAKES
    if all_known and not all(counts[_said(one.diagnostic)] > 0 for one in chosen):
        return False
    said_before = Counter(map(_said, before.diagnostics))
    if not _were_unreadable(chosen) and any(
        _said(one) not in said_before for one in after.diagnostics if is_error(one) and _is_at(one, chosen)
    ):
        return False
    if before.meaning is not None:
        safe = all(one.edit.safe for one in chosen)
        return after.meaning == before.meaning if safe else not any(map(is_error, after.diagnostics))
    return read_yaml(after.source)[0] is not None or read_yaml(before.source)[0] is None


def _were_unreadable(chosen: Sequence[_Offer]) -> bool:
    """Whether the text was no YAML: then nothing else was known of it, and mistakes in what can be read now are old."""
    return any(one.diagnostic.name == "yaml-syntax" for one in chosen)


def _is_at(one: Diagnostic, chosen: Sequence[_Offer]) -> bool:
    """Whether a mistake of the edited text is in what an edit wrote, or beside it."""
    return any(start <= one.span.start and one.span.end <= end for start, end in _places(chosen))


def _places(chosen: Sequence[_Offer]) -> Iterator[tuple[int, int]]:
    """Where each edit's text is in the edited text, with one character on either side."""
    moved = 0
    for offer in chosen:
        start = offer.edit.span.start + moved
        yield start - 1, start + len(offer.edit.text) + 1
        moved += len(offer.edit.text) - (offer.edit.span.end - offer.edit.span.start)


def _said(one: Diagnostic) -> tuple[str, str]:
    return one.name, one.message


def _edited(text: str, chosen: Sequence[_Offer]) -> str:
    for one in reversed(chosen):
        text = text[: one.edit.span.start] + one.edit.text + text[one.edit.span.end :]
    return text


def _applied(source: Source, one: _Offer) -> Applied:
    code = code_of(one.diagnostic.name).number
    return Applied(code, one.edit.title, one.diagnostic.message, source.position(one.edit.span.start))
