"""What a capsule uses from outside: packages under `spec.uses`, found once, before anything reads from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from somagent.capsule_compiler.draft import Draft
from somagent.governance.documents import Diagnostic

SECTIONS = ("personas", "tools", "policies", "capsules")


def find_packages(draft: Draft) -> Draft:
    """Reports packages that no source has."""
    return draft.reporting(list(_unknown(draft)))


def _unknown(draft: Draft) -> Iterator[Diagnostic]:
    if draft.capsule is None:
        return
    for section in SECTIONS:
        uses: Mapping[str, str] = getattr(draft.capsule.spec.uses, section)
        for alias, use in uses.items():
            if not use.startswith("./"):
                span = draft.span(("spec", "uses", section, alias))
                message = f"there is no package `{use.partition('@')[0]}`"
                yield Diagnostic("unknown-package", message, span, help="use a file beside the capsule: `./NAME.yaml`")
