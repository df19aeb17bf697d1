"""What a capsule brings along: files beside it, read once, pinned by digest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from somagent.capsule_compiler.catalogue import INCLUDE
from somagent.capsule_compiler.draft import Draft, FileBeside, StepDraft
from somagent.capsule_compiler.plan import IncludedFile, digest_of
from somagent.governance.documents import Diagnostic, Path

MAX_INCLUDED_BYTES = 16 * 1024 * 1024


def read_includes(draft: Draft) -> Draft:
    """Reads the files that steps take along."""
    found: list[Diagnostic] = []
    wanted: dict[str, Path] = {}
    for step in draft.steps.values():
        for path, at in _includes(draft, step):
            wanted.setdefault(path, at)
    files: dict[str, FileBeside] = {}
    for path, at in wanted.items():
        for file in read_beside(draft, path, at, found):
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


def read_beside(draft: Draft, path: str, at: Path, found: list[Diagnostic]) -> Sequence[FileBeside]:
    """The file at a path beside the capsule, or the files of the folder there; what is wrong is said at `at`."""
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
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        help_ = "paths are relative to the capsule's folder" if gone else ""
        found.append(Diagnostic("file-beside-missing", message, draft.span(at), help=help_))
        return ()
