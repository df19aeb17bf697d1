"""Where a name is defined, and everywhere it is used."""

from __future__ import annotations

from collections.abc import Sequence

from somagent.capsule_compiler.analysis.analysis import Analysis
from somagent.capsule_compiler.analysis.occurrences import Occurrence, occurrences


def occurrence_at(analysis: Analysis, offset: int, known: Sequence[Occurrence] | None = None) -> Occurrence | None:
    """What is named at an offset, if the text can be read now; the end of a name belongs to it."""
    if not analysis.current:
        return None
    touching = [one for one in known or occurrences(analysis.draft) if one.span.start <= offset <= one.span.end]
    return min(touching, key=lambda one: (one.span.end == offset, one.span.end - one.span.start), default=None)


def definition(analysis: Analysis, offset: int) -> Occurrence | None:
    """The place that defines what is named at an offset."""
    known = occurrences(analysis.draft)
    here = occurrence_at(analysis, offset, known)
    if here is None:
        return None
    return next((one for one in known if one.defines and one.meant == here.meant), None)


def references_at(analysis: Analysis, offset: int) -> list[Occurrence]:
    """Every place that names what is named at an offset, the definition among them."""
    known = occurrences(analysis.draft)
    here = occurrence_at(analysis, offset, known)
    return [] if here is None else [one for one in known if one.meant == here.meant]
