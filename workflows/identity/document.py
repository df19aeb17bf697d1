"""`identity/identity.yaml` of a data directory: which tokens are trusted, and who is in which group.

Whoever may write this file decides who may decide, so it counts only when it belongs to the owner of the data
directory or to root, and nobody else may write it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from somagent.capsule_compiler.model.about import about
from somagent.capsule_compiler.packages.reading import first_mistake, read_document
from somagent.governance.documents import HINTS

FOLDER = "identity"
FILE = "identity.yaml"
_TEXT = Meta(extra_json_schema={"type": "string"})
_Some = Annotated[str, Meta(min_length=1)]
_KeyFile = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(pem|json)$",
        extra_json_schema={HINTS: {"noun": "the name of a file beside this one, `*.pem` or `*.json`"}},
    ),
]


class IdentityRefused(Exception):
    """Nobody can act before something is mended; the message says what, and who has to do it."""


class _Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """What all parts have in common."""


class TokenTrust(_Part, frozen=True, kw_only=True):
    """Which tokens are believed: JSON Web Tokens (RFC 7519), signed with one of the keys."""

    issuer: Annotated[_Some, about("What `iss` must be", "https://login.acme.example")]
    audience: Annotated[_Some, about("What `aud` must be or have among others", "somagent")]
    keys: Annotated[
        list[_KeyFile],
        Meta(min_length=1),
        about("Public keys beside this file: PEM, or a JSON Web Key Set", ["login.pem"]),
    ]
    person: Annotated[_Some, about("The claim with the person's name, as capsules have it", "email")] = "sub"
    groups: Annotated[_Some, about("The claim with the list of the person's groups", "roles")] = "groups"
    tenant: Annotated[_Some, about("What the claim `tenant` must be; without it, nothing", "acme")] | UnsetType = UNSET


class IdentitySpec(_Part, frozen=True, kw_only=True):
    """How people are known."""

    tokens: (
        Annotated[TokenTrust, about("Who acts must have such a token; without it, the account of the system counts")]
        | UnsetType
    ) = UNSET
    groups: Annotated[
        dict[_Some, list[_Some]],
        about("Members by group, beside what tokens say", {"tech-leads": ["ana", "bo"]}),
    ] = {}


class IdentityFile(_Part, frozen=True, kw_only=True):
    """Who people are, and in which groups."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], _TEXT, about("Version of this form")]
    kind: Annotated[Literal["Identity"], _TEXT, about("What the document is")]
    spec: Annotated[IdentitySpec, about("How people are known")]


class Trust(Struct, frozen=True):
    """What a data directory trusts."""

    folder: Path
    spec: IdentitySpec
    keys: dict[str, bytes]  # by the name of their file


def read_trust(directory: Path) -> Trust | None:
    """What the data directory trusts; None when it has no folder `identity`. Raises `IdentityRefused`."""
    folder = directory / FOLDER
    if not folder.is_dir():
        return None
    owners = {0, directory.stat().st_uid}
    _check_owner(folder, folder.stat(), owners)
    source, _, read, found = read_document(str(folder / FILE), _content(folder / FILE, owners), IdentityFile)
    if read is None:
        raise IdentityRefused(first_mistake(source, found))
    tokens = read.spec.tokens
    names = [] if tokens is UNSET else tokens.keys
    return Trust(folder, read.spec, {name: _content(folder / name, owners) for name in names})


def _content(path: Path, owners: set[int]) -> bytes:
    try:
        with path.open("rb") as file:
            _check_owner(path, os.fstat(file.fileno()), owners)  # of the very file that is read
            return file.read()
    except OSError as error:
        raise IdentityRefused(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _check_owner(path: Path, found: os.stat_result, owners: set[int]) -> None:
    if found.st_uid not in owners:
        raise IdentityRefused(f"{path} belongs neither to root nor to the owner of the data directory: it says nothing")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise IdentityRefused(f"{path} may be written by others, so it says nothing; mend it: chmod go-w {path}")
