"""Who started a run, as far as that is known, and whether somebody may be that person.

Argo says it in labels of the Workflow, which hold few characters, so a name there is only what is left of it
(`dnsFriendly` in argo-workflows, `workflow/creator`). Two names of which the same is left may be one person's.
"""

from __future__ import annotations

import re
import unicodedata

from msgspec import Struct

from somagent.operators.names import person

_LONGEST_LABEL = 63


class Submitter(Struct, frozen=True):
    """The name, empty when nobody knows it, and what Argo's labels say of the person where they are all there is."""

    name: str
    labels: tuple[str, ...] = ()

    def may_be(self, name: str, *aliases: str) -> bool:
        """Whether it may be who has this name, and whose token says these of the person, too."""
        if not self.labels:
            return person(name) == person(self.name)
        known = {_compared(label) for label in self.labels}
        return any(_compared(label) in known for one in (name, *aliases) for label in _labels_of(one))


def as_label(name: str) -> str:
    """What Argo leaves of a name in a label: the end of it, and `-` for each other character than `-_.0-9a-zA-Z`."""
    return re.sub("[^-_.0-9a-zA-Z]", "-", name)[-_LONGEST_LABEL:].strip("-_.")


def _labels_of(name: str) -> set[str]:
    """What may be left of it, as a name and as an address of e-mail, whichever way its characters are composed."""
    spelled = {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}
    return {as_label(one) for name in spelled for one in (name, name.replace("@", ".at.", 1))} - {""}


def _compared(label: str) -> str:
    """Whatever the case, and however many blanks."""
    return re.sub("-+", "-", label).lower()
