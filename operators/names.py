"""Names of people: when two spellings are one person, and which are no names at all.

Names are typed by hand, so a blank or a capital too many must neither make a second approver out of one person nor let
the submitter of a run pass for somebody else.
"""

from __future__ import annotations

import unicodedata

LONGEST = 200


def spelled(name: str) -> str:
    """The name as it is written down: composed (Unicode NFC), single blanks, none around it."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def person(name: str) -> str:
    """What two spellings of one name have in common, to be compared only: `spelled`, in whatever case.

    Canonical caseless matching of the Unicode Standard, section 3.13, D145.
    """
    folded = unicodedata.normalize("NFD", spelled(name)).casefold()
    return unicodedata.normalize("NFC", folded)


def name_fault(name: str) -> str:
    """Why nobody can act under this name, as a sentence without a full stop; empty when somebody can."""
    if not spelled(name):
        return "it is empty"
    if len(name) > LONGEST:
        return f"a name has at most {LONGEST} characters"
    hidden = [one for one in name if not one.isprintable() and unicodedata.category(one) != "Zs"]
    if hidden:
        return f"a name has only characters that can be seen, and U+{ord(hidden[0]):04X} is none"
    return ""
