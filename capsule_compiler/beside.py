"""What a capsule brings along: policy sets and included files beside it, read once, pinned by digest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from somagent.capsule_compiler.catalogue import INCLUDE
from somagent.capsule_compiler.draft import Draft, FileBeside, StepDraft
from somagent.capsule_compiler.plan import IncludedFile, digest_of
from somagent.governance.constitution import Constitution, load_constitution
from somagent.governance.documents import Diagnostic, Path, decode_source

MAX_INCLUDED_BYTES = 16 * 1024 * 1024


def read_policies(draft: Draft) -> Draft:
    """Loads the policy sets under `spec.uses.policies`."""
    if draft.capsule is None:
        return draft
    found: list[Diagnostic] = []
    policies: dict[str, Constitution] = {}
    for name, path in draft.capsule.spec.uses.policies.items():
        if not path.startswith("./"):
            continue  # a package
        at: Path = ("spec", "uses", "policies", name)
        files = _read(draft, path.removeprefix("./"), at, found)
        if len(files) != 1:
            if files:
                found.append(Diagnostic("file-beside-missing", f"`{path}` is a folder", draft.span(at)))
            continue
        source, faults = decode_source(files[0].path, files[0].content)
        constitution = None
        if not faults:
            constitution, faults = load_constitution(source)
        if constitution is not None:
            policies[name] = constitution
        if faults:
            line, column = source.position(faults[0].span.start)
            found.append(
                Diagnostic(
                    "policy-set-wrong",
                    f"{source.name}:{line}:{column}: {faults[0].message}",
                    draft.span(at),
                    help=f"`somagent check {source.name}` shows {'it' if len(faults) == 1 else f'all {len(faults)}'}",
                )
            )
    return replace(draft.reporting(found), policies=policies)


def read_includes(draft: Draft) -> Draft:
    """Reads the files that steps take along."""
    found: list[Diagnostic] = []
    wanted: dict[str, Path] = {}
    for step in draft.steps.values():
        for path, at in _includes(draft, step):
            wanted.setdefault(path, at)
    files: dict[str, FileBeside] = {}
    for path, at in wanted.items():
        for file in _read(draft, path, at, found):
            files[file.path] = file
    size = sum(len(file.content) for file in files.values())
    if size > MAX_INCLUDED_BYTES:
        first = next(iter(wanted.values()))
        message = f"included files have {size:,} bytes; the limit is {MAX_INCLUDED_BYTES:,} (16 MiB)"
        found.append(
            Diagnostic(
                "include-too-large",
                message,
                draft.span(first),
                help="take single files along, and let the step fetch large ones",
            )
        )
    ordered = sorted(files.values())
    return replace(
        draft.reporting(found),
        files=tuple(
            IncludedFile(
                path=file.path, digest=digest_of(file.content), size=len(file.content), executable=file.executable
            )
            for file in ordered
        ),
        contents={file.path: file.content for file in ordered},
    )


def _includes(draft: Draft, step: StepDraft) -> Iterable[tuple[str, Path]]:
    arguments: Any = step.operation.arguments
    for name, _ in draft.hinted(step, INCLUDE):
        paths = arguments.get(name, ())
        for index, path in enumerate(paths if isinstance(paths, list) else ()):
            yield path, (*step.path, *step.operation.at, name, index)


def _read(draft: Draft, path: str, at: Path, found: list[Diagnostic]) -> Sequence[FileBeside]:
    clean = path.removeprefix("./").rstrip("/")
    if clean in {"", "."} or clean.startswith("/") or ".." in clean.split("/") or not clean.isprintable():
        message = f"`{path}` does not stay beside the capsule"
        help_ = "name a file or folder in the capsule's own folder"
        found.append(Diagnostic("file-not-beside", message, draft.span(at), help=help_))
        return ()
    try:
        return draft.given.files(clean)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot read `{path}`: {reason[:1].lower()}{reason[1:]}"
        help_ = "paths are relative to the capsule's folder"
        found.append(Diagnostic("file-beside-missing", message, draft.span(at), help=help_))
        return ()
