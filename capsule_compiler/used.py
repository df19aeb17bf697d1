"""What stands under `uses`, read: policy sets, personas and tools, from beside the capsule or from packages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from somagent.capsule_compiler.beside import read_beside
from somagent.capsule_compiler.draft import Draft, UsedFile
from somagent.capsule_compiler.model.persona import Persona
from somagent.capsule_compiler.model.tool import Tool
from somagent.capsule_compiler.packages.opened import OpenPackage
from somagent.capsule_compiler.packages.reading import first_mistake, first_of
from somagent.capsule_compiler.packages.use import SECTIONS, Use, uses_of
from somagent.capsule_compiler.parts import read_used_document
from somagent.capsule_compiler.plan import canonical_json, digest_of
from somagent.governance.constitution import Constitution, load_constitution
from somagent.governance.documents import Diagnostic, Path, decode_source

_ARTICLES = {"capsule": "a capsule", "persona": "a persona", "policy": "a policy set", "tool": "a tool"}


class Text(NamedTuple):
    """A used file's text: what messages call it, the package it came with, and its path there or beside the capsule."""

    name: str
    content: bytes
    package: OpenPackage | None
    path: str


def read_used(draft: Draft) -> Draft:
    """Reads the policy sets, personas and tools; what is wrong with one is said at its use."""
    found: list[Diagnostic] = []
    policies: dict[str, Constitution] = {}
    personas: dict[str, UsedFile] = {}
    tools: dict[str, UsedFile] = {}
    for use, text in used_texts(draft, ("policies", "personas", "tools"), found):
        if use.section == "policies":
            policy = _policy(draft, use, text, found)
            if policy is not None:
                policies[use.alias] = policy
            continue
        file = _document(draft, use, text, found)
        if file is not None:
            (personas if use.section == "personas" else tools)[use.alias] = file
    return replace(draft.reporting(found), policies=policies, personas=personas, tools=tools)


def used_texts(draft: Draft, sections: tuple[str, ...], found: list[Diagnostic]) -> Iterator[tuple[Use, Text]]:
    """The text of each use in these sections that can be read."""
    if draft.capsule is None:
        return
    for use in uses_of(draft.capsule.spec.uses):
        if use.section in sections:
            text = _packaged(draft, use, found) if use.package else _beside(draft, use, found)
            if text is not None:
                yield use, text


def at_use(use: Use) -> Path:
    """Where a use stands."""
    return ("spec", "uses", use.section, use.alias)


def _beside(draft: Draft, use: Use, found: list[Diagnostic]) -> Text | None:
    files = read_beside(draft, use.path, at_use(use), found)
    if len(files) == 1 and files[0].path == use.path.rstrip("/"):
        return Text(files[0].path, files[0].content, _own_package(draft), use.path)
    if files:
        found.append(Diagnostic("file-beside-missing", f"`{use.text}` is a folder", draft.span(at_use(use))))
    return None


def _own_package(draft: Draft) -> OpenPackage | None:
    return draft.given.within.package if draft.given.within is not None else None


def _packaged(draft: Draft, use: Use, found: list[Diagnostic]) -> Text | None:
    if draft.family is None:
        return None  # nothing could be chosen, which was said
    package = draft.family.packages.get(use.package)
    own = _own_package(draft)
    if package is None or (own is not None and use.package not in own.manifest.requires):
        who = f"package `{own.key}`" if own is not None else "the capsule"
        message = f"{who} does not require `{use.package}`"
        help_ = f"add `{use.package}: '{use.range.text}'` to `requires` in its `package.yaml`"
        found.append(Diagnostic("package-wrong", message, draft.span(at_use(use)), help=help_))
        return None
    manifest = package.manifest
    if manifest.version not in use.range:
        message = f"`{package.key}` was chosen, and does not fit `{use.range}`"
        help_ = "`requires` in the package's `package.yaml` must ask for what its capsule asks for"
        found.append(Diagnostic("package-wrong", message, draft.span(at_use(use)), help=help_))
        return None
    if manifest.provides != SECTIONS[use.section]:
        right = next(section for section, kind in SECTIONS.items() if kind == manifest.provides)
        message = f"`{package.key}` provides {_ARTICLES[manifest.provides]}, not {_ARTICLES[SECTIONS[use.section]]}"
        help_ = f"move it to `uses.{right}`"
        found.append(Diagnostic("package-of-other-kind", message, draft.span(at_use(use)), help=help_))
        return None
    return Text(package.shown(manifest.file), package.files[manifest.file].content, package, manifest.file)


def _policy(draft: Draft, use: Use, text: Text, found: list[Diagnostic]) -> Constitution | None:
    source, faults = decode_source(text.name, text.content)
    policy = None
    if not faults:
        policy, faults = load_constitution(source)
    if faults:
        line, column = source.position(faults[0].span.start)
        help_ = f"`somagent check {source.name}` shows {'it' if len(faults) == 1 else f'all {len(faults)}'}"
        message = f"{source.name}:{line}:{column}: {faults[0].message}"
        found.append(
            Diagnostic("policy-set-wrong", message, draft.span(at_use(use)), help="" if use.package else help_)
        )
    return policy


def _document(draft: Draft, use: Use, text: Text, found: list[Diagnostic]) -> UsedFile | None:
    model: type[Persona] | type[Tool] = Persona if use.section == "personas" else Tool
    source, read, faults = read_used_document(text.name, text.content, model)
    if read is None or faults:
        first = first_of(faults)
        message = first_mistake(source, faults)
        check = "" if use.package else f"`somagent check {source.name}` shows {'it' if len(faults) == 1 else 'all'}"
        help_ = "\n".join(filter(None, (first.help, check)))
        found.append(Diagnostic("used-file-wrong", message, draft.span(at_use(use)), help=help_))
        return None
    document: dict[str, object] = msgspec.to_builtins(read)
    return UsedFile(read.metadata.name, digest_of(canonical_json(document)), document, read)
