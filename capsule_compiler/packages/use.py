"""What stands under `uses`: a file beside the capsule, or a package and the versions of it that will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from somagent.capsule_compiler.model.capsule import Uses
from somagent.capsule_compiler.packages.manifest import Kind
from somagent.capsule_compiler.packages.versions import ANY_VERSION, Range, parse_range

SECTIONS: dict[str, Kind] = {"personas": "persona", "tools": "tool", "policies": "policy", "capsules": "capsule"}


class Use(NamedTuple):
    """One entry under `uses`. Exactly one of `path` and `package` is there."""

    section: str
    alias: str
    text: str
    path: str  # without the leading `./`
    package: str
    range: Range


def parse_use(section: str, alias: str, text: str) -> Use | None:
    """The use that a text of the right form is; None when it is none."""
    if text.startswith("./"):
        return Use(section, alias, text, text.removeprefix("./"), "", ANY_VERSION)
    package, _, written = text.partition("@")
    range_ = parse_range(written)
    return None if range_ is None else Use(section, alias, text, "", package, range_)


def uses_of(uses: Uses) -> Iterator[Use]:
    """All uses of personas, tools, policies and capsules, in the order of the text."""
    for section in SECTIONS:
        for alias, text in getattr(uses, section).items():
            use = parse_use(section, alias, text)
            if use is not None:
                yield use
