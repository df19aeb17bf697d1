"""New names for steps, outputs, inputs, types, aliases and items: all places at once, or a reason why not."""

from __future__ import annotations

import re

from somagent.capsule_compiler.analysis.analysis import Analysis
from somagent.capsule_compiler.analysis.navigation import occurrence_at
from somagent.capsule_compiler.analysis.occurrences import Meant, Occurrence, occurrences
from somagent.capsule_compiler.draft import index_name, item_name
from somagent.capsule_compiler.environment import MEMBERS_OF_STEPS, RESERVED_NAMES
from somagent.governance.cel.lexer import KEYWORDS, RESERVED
from somagent.governance.documents import Edit
from somagent.governance.documents.resolve import other_meaning, resolve

_FORMS = {
    "step": ("[a-z][a-z0-9_]{0,62}", "a step id like `run_tests`: small letters, digits and `_`"),
    "type": ("[A-Za-z][A-Za-z0-9_]{0,62}", "a type name like `Finding`: letters, digits and `_`"),
}
_NAME = ("[a-z][A-Za-z0-9_]{0,62}", "a name like `max_size`: a small letter, then letters, digits and `_`")


class NotRenamable(Exception):
    """Why a name cannot be changed, or not to this."""


def renamable(analysis: Analysis, offset: int) -> Occurrence:
    """The name at an offset; raises `NotRenamable` when there is none of the capsule's own."""
    if not analysis.current:
        raise NotRenamable("the text cannot be read just now: mend the mistakes of YAML first")
    known = occurrences(analysis.draft)
    here = occurrence_at(analysis, offset, known)
    if here is None:
        raise NotRenamable("there is no name here that the capsule defines")
    if not any(one.defines and one.meant == here.meant for one in known):
        raise NotRenamable(f"`{here.meant.name}` is not defined in this capsule")
    return here


def rename(analysis: Analysis, offset: int, new: str) -> list[Edit]:
    """The edits that give what is named at an offset a new name; raises `NotRenamable`."""
    here = renamable(analysis, offset)
    known = occurrences(analysis.draft)
    form, words = _FORMS.get(here.meant.kind, _NAME)
    if not re.fullmatch(form, new):
        raise NotRenamable(f"`{new}` is not {words}")
    if new == here.meant.name:
        return []
    if here.meant.kind != "type" and new in KEYWORDS | RESERVED:
        raise NotRenamable(f"`{new}` is a word of the expression language")
    if other_meaning(new) is not None or resolve(new) != new:
        raise NotRenamable(f"`{new}` would have to be quoted everywhere: plain, it is no text in YAML")
    if here.meant.kind == "item" and new in RESERVED_NAMES | _beside_item(analysis, here.meant):
        raise NotRenamable(f"`{new}` is taken: expressions use it for something else")
    if here.meant.kind == "output" and new in MEMBERS_OF_STEPS:
        raise NotRenamable(f"`{new}` is taken: every step has it")
    other = Meant(here.meant.kind, (*here.meant.names[:-1], new))
    if any(one.meant == other for one in known) or _is_fixed_output(analysis, other):
        raise NotRenamable(f"there is {_article(here.meant.kind)} `{new}` already")
    named = [one for one in known if one.meant == here.meant]
    if _takes_secrets(here.meant):
        _check_grants(known, named, new)
    title = f"rename to `{new}`"
    return [Edit(one.span, new, title) for one in named]


def _beside_item(analysis: Analysis, item: Meant) -> set[str]:
    """The other name that the arguments of a fan-out have."""
    step = analysis.draft.steps.get(item.names[0])
    return set() if step is None else {item_name(step), index_name(step)} - {item.name}


def _check_grants(known: list[Occurrence], named: list[Occurrence], new: str) -> None:
    """`grantTo` means everything of a name: a new name must neither take a secret from something nor give it to it."""
    granted = {one.span for one in named if one.grants}
    for one in known:
        if one.span in granted and one.meant != named[0].meant:
            raise NotRenamable(f"{_described(one.meant)} has this name too, and `grantTo` means both")
        if _takes_secrets(one.meant) and one.meant.name == new and (one.grants if not granted else one.defines):
            raise NotRenamable(f"{_described(one.meant)} has this name, and `grantTo` would mean both")


def _takes_secrets(meant: Meant) -> bool:
    return meant.kind == "step" or (meant.kind == "use" and meant.names[0] in ("tools", "capsules"))


def _described(meant: Meant) -> str:
    kind = {"tools": "tool", "capsules": "capsule"}[meant.names[0]] if meant.kind == "use" else "step"
    return f"a {kind} `{meant.name}`"


def _is_fixed_output(analysis: Analysis, meant: Meant) -> bool:
    step = analysis.draft.steps.get(meant.names[0]) if meant.kind == "output" else None
    return step is not None and meant.name in analysis.draft.entry(step).outputs


def _article(kind: str) -> str:
    words = {"use": "an alias", "item": "an item"}
    return words.get(kind) or ("an " if kind[0] in "aeiou" else "a ") + kind
