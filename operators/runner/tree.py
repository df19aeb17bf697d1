"""A folder as a value: its manifest says all that travels, and equal folders have equal manifests.

Times, owners and permissions other than the executable bit do not travel. Symbolic links are kept as they are and
never followed; one that leads out of the folder cannot travel, because it would mean another file elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

_LINKS_FOLLOWED = 40  # as many as Linux follows (path_resolution(7))


class ArtifactRefused(Exception):
    """A file or folder that cannot become an artifact; the message says which and why."""


class TreeFile(Struct, frozen=True, kw_only=True, tag="file", omit_defaults=True, forbid_unknown_fields=True):
    """A file; `path` is relative, with forward slashes."""

    path: str
    digest: str
    size: int
    executable: bool = False


class TreeLink(Struct, frozen=True, kw_only=True, tag="link", forbid_unknown_fields=True):
    """A symbolic link to somewhere in the same tree."""

    path: str
    target: str


class TreeFolder(Struct, frozen=True, kw_only=True, tag="folder", forbid_unknown_fields=True):
    """A folder with nothing in it; the others follow from the paths."""

    path: str


TreeEntry = TreeFile | TreeLink | TreeFolder


class Tree(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest."""

    format: Literal["tree/v1"] = "tree/v1"
    entries: list[TreeEntry]


class FoundFile(Struct, frozen=True):
    """A file that a scan met; its bytes have not been read."""

    path: str
    size: int
    executable: bool


class FoundTree(Struct, frozen=True):
    """What a scan met, and the sum of the files' sizes in bytes."""

    files: Sequence[FoundFile]
    others: Sequence[TreeLink | TreeFolder]
    size: int


_decoder = msgspec.json.Decoder(Tree)


def check_name(name: str) -> None:
    """Raises `ArtifactRefused` unless `name` is the name of one file, without folders."""
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise ArtifactRefused(f"`{name}` is not a file name")


def encode_tree(tree: Tree) -> bytes:
    """Canonical bytes: entries in the order of their paths' UTF-8, RFC 8785 JSON.

    A manifest holds strings, integers below 2^53 and booleans under ASCII keys; for these `msgspec` with sorted keys
    writes what RFC 8785 asks for, 40 times faster than the general writer.
    """
    entries = sorted(tree.entries, key=lambda entry: entry.path.encode())
    return msgspec.json.encode(Tree(entries=entries), order="sorted")


def decode_tree(content: bytes) -> Tree:
    """The manifest in these bytes; raises `ArtifactRefused` when it is none or names places outside the tree."""
    try:
        tree = _decoder.decode(content)
    except msgspec.DecodeError as fault:
        raise ArtifactRefused(f"not a folder's manifest: {fault}") from None
    for entry in tree.entries:
        if entry.path.startswith("/") or not {"", ".", ".."}.isdisjoint(entry.path.split("/")):
            raise ArtifactRefused(f"a folder's manifest names `{entry.path}`, which is not inside the folder")
    return tree


def scan_tree(root: Path, name: str) -> FoundTree:
    """Looks through the folder `root`, called `name` in messages; raises `ArtifactRefused`."""
    files: list[FoundFile] = []
    others: list[TreeLink | TreeFolder] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as listing:
            members = list(listing)
        if not members and folder:
            others.append(TreeFolder(path=folder))
        for member in members:
            path = f"{folder}/{member.name}" if folder else member.name
            _check_text(path, name)
            status = member.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                others.append(TreeLink(path=path, target=_inner_target(root, path, name)))
            elif stat.S_ISDIR(status.st_mode):
                folders.append(path)
            elif stat.S_ISREG(status.st_mode):
                files.append(FoundFile(path, status.st_size, bool(status.st_mode & stat.S_IXUSR)))
            else:
                raise ArtifactRefused(f"`{name}`: `{path}` is a pipe, socket or device, which cannot travel")
    return FoundTree(files, others, sum(file.size for file in files))


def _check_text(path: str, name: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
        raise ArtifactRefused(f"`{name}`: the name of `{shown}` is not UTF-8") from None


def _inner_target(root: Path, path: str, name: str) -> str:
    """The target of the link at `path`, when following it step by step never leaves `root`."""
    target = os.readlink(root / path)  # noqa: PTH115 - `Path` would rewrite the text
    _check_text(target, name)
    here = path.split("/")[:-1]
    ahead = target.split("/")[::-1]
    followed = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            if not here:
                break
            here.pop()
        elif part not in {"", "."}:
            here.append(part)
            onward = _link_target(root.joinpath(*here))
            if onward is not None:
                followed += 1
                here.pop()
                ahead.extend(onward.split("/")[::-1])
                if onward.startswith("/") or followed > _LINKS_FOLLOWED:
                    break
    else:
        if not target.startswith("/"):
            return target
    raise ArtifactRefused(f"`{name}`: the symbolic link `{path}` -> `{target}` leads out of the folder")


def _link_target(path: Path) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return None
