"""One attempt of a bundle step."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO

import msgspec
from msgspec import Struct

from somagent.capsule_compiler.plan import CapsuleInfo, canonical_json
from somagent.operators.bundle.archive import FOLDER_MODE, LINK_MODE, Member, file_mode, write_archive
from somagent.operators.bundle.args import BundleArgs
from somagent.operators.operator import Answer, Step, StepFailure
from somagent.operators.runner.contents import ArtifactRefused, ContentError, Contents
from somagent.operators.runner.records import Artifact
from somagent.operators.runner.threads import in_thread
from somagent.operators.runner.tree import TreeEntry, TreeFile, TreeFolder, TreeLink

MANIFEST = "manifest.json"
_NAME_BYTES = 255  # NAME_MAX of Linux and macOS


class Content(Struct, frozen=True, kw_only=True):
    """An artifact in the bundle, and the digest it had in the run."""

    name: str
    artifact: str
    kind: str
    size: int


class File(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file in the bundle; `size` in bytes."""

    path: str
    digest: str
    size: int
    executable: bool = False


class Manifest(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the bundle holds and what it comes from."""

    format: str = "bundle/v1"
    name: str
    run: str
    capsule: CapsuleInfo
    plan: str
    constitution: str
    contents: list[Content]
    files: list[File]


async def run(args: BundleArgs, step: Step) -> Answer:
    """Writes the zip and stores it; raises `StepFailure`."""
    name = args.name.removesuffix(".zip")
    if not name or not name.isprintable() or not {"/", "\\"}.isdisjoint(name) or name in {".", ".."}:
        raise StepFailure("error", f"{args.name!r} is not a file name: letters that can be seen, without `/` and `\\`")
    if len(f"{name}.zip".encode()) > _NAME_BYTES:
        raise StepFailure("error", f"the name `{name}.zip` is too long, it may have {_NAME_BYTES} bytes of UTF-8")
    _check_names(args.include)
    try:
        artifact = await in_thread(_pack, args, step, name)
    except (ContentError, ArtifactRefused) as fault:
        raise StepFailure("error", str(fault)) from None
    return Answer({"artifact": artifact})


def _check_names(artifacts: list[Artifact]) -> None:
    taken = {MANIFEST: "the bundle's manifest"}
    for artifact in artifacts:
        other = taken.setdefault(artifact.name, f"the {artifact.kind} {artifact.artifact}")
        if other != f"the {artifact.kind} {artifact.artifact}":
            raise StepFailure(
                "error",
                f"two things are called `{artifact.name}` in the bundle: {other} and the {artifact.kind}"
                f" {artifact.artifact}; an artifact has the name of its file or folder",
            )


def _pack(args: BundleArgs, step: Step, name: str) -> Artifact:
    artifacts = sorted(set(args.include), key=lambda artifact: artifact.name.encode())
    entries: dict[str, TreeEntry] = {}
    for artifact in artifacts:
        tree = step.contents.tree(artifact)
        if artifact.kind == "file":
            entries[artifact.name] = tree.entries[0]
        else:
            entries |= {f"{artifact.name}/{entry.path}": entry for entry in tree.entries}
            if not tree.entries:
                entries[artifact.name] = TreeFolder(path=artifact.name)
    manifest = canonical_json(msgspec.to_builtins(_manifest(artifacts, entries, step, name)))
    members = [_member(path, entry, step.contents) for path, entry in entries.items()]
    path = step.own_folder() / f"{name}.zip"
    write_archive(path, [*members, _text(MANIFEST, file_mode(executable=False), manifest)])
    return step.contents.put_path(path, path.name)


def _manifest(artifacts: list[Artifact], entries: dict[str, TreeEntry], step: Step, name: str) -> Manifest:
    files = [
        File(path=path, digest=entry.digest, size=entry.size, executable=entry.executable)
        for path, entry in sorted(entries.items(), key=lambda item: item[0].encode())
        if isinstance(entry, TreeFile)
    ]
    return Manifest(
        name=name,
        run=step.run.id,
        capsule=step.plan.capsule,
        plan=step.run.plan_digest,
        constitution=step.plan.constitution.digest,
        contents=[Content(name=a.name, artifact=a.artifact, kind=a.kind, size=a.size) for a in artifacts],
        files=files,
    )


def _member(path: str, entry: TreeEntry, contents: Contents) -> Member:
    match entry:
        case TreeFile():
            mode = file_mode(executable=entry.executable)
            return Member(path, mode, entry.size, partial(contents.copy_to, entry.digest))
        case TreeLink():
            return _text(path, LINK_MODE, entry.target.encode())
        case TreeFolder():
            return _text(f"{path}/", FOLDER_MODE, b"")


def _text(path: str, mode: int, content: bytes) -> Member:
    def write(target: BinaryIO) -> None:
        target.write(content)

    return Member(path, mode, len(content), write)
