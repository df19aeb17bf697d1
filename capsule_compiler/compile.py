"""The driver: text in, plan or diagnostics out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from somagent.capsule_compiler.diagnostics.allow import allow
from somagent.capsule_compiler.draft import Child, Draft, FilesBeside, Given
from somagent.capsule_compiler.language import Language
from somagent.capsule_compiler.packages.source import NoPackages, PackageSource
from somagent.capsule_compiler.passes import PASSES, Pass
from somagent.capsule_compiler.plan import Plan
from somagent.governance.constitution import Constitution
from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Source, bounded, decode_source


class Compilation(Struct, frozen=True):
    """What came of a capsule. Without errors there is a plan; warnings may stand beside it."""

    source: Source
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]  # in the order of the text
    contents: Mapping[str, bytes]  # of the included files, by path; of those of used capsules, by digest
    inner: tuple[Child, ...] = ()  # used capsules, directly or not, that have mistakes; of packages, errors only


def compile_capsule(
    name: str,
    content: bytes,
    *,
    language: Language,
    constitution: Constitution,
    files: FilesBeside,
    packages: PackageSource | None = None,
    locked: bool = False,
) -> Compilation:
    """Compiles a capsule's bytes; `name` is shown in diagnostics. Never raises for anything in the capsule.

    With `locked`, what `capsule.lock` beside the capsule does not pin is refused.
    """
    draft = draft_capsule(name, content, Given(language, constitution, files, packages or NoPackages(), locked))
    family = draft.family.compiled.values() if draft.family is not None else ()
    inner = tuple(child for child in family if child.diagnostics and (not child.place.package or child.plan is None))
    return Compilation(draft.source, draft.plan, shown(draft), draft.contents, inner)


def draft_capsule(name: str, content: bytes, given: Given, passes: Sequence[Pass] = PASSES) -> Draft:
    """The same, but for what is known even when there are mistakes; how far the passes came, the draft shows."""
    source, found = decode_source(name, content)
    draft = Draft(source, given, diagnostics=tuple(found))
    if not found:
        for one_pass in passes:
            draft = one_pass(draft)
            if len(draft.diagnostics) >= MAX_MISTAKES:
                break
    return draft


def shown(draft: Draft) -> tuple[Diagnostic, ...]:
    """The diagnostics of a draft as people get them: without allowed warnings, in the order of the text, bounded."""
    diagnostics = sorted(allow(draft.source, draft.diagnostics), key=lambda one: (one.span, one.name))
    return tuple(bounded(diagnostics))
