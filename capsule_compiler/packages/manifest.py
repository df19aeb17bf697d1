"""`package.yaml`: what a version of a package is, what it provides, and what it requires of other packages."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from somagent.capsule_compiler.model.about import about
from somagent.capsule_compiler.model.capsule import PackageName
from somagent.capsule_compiler.packages.reading import first_mistake, read_document
from somagent.capsule_compiler.packages.versions import RANGE, VERSION, Range, Version, parse_range, parse_version
from somagent.governance.documents import HINTS

FILE = "package.yaml"
_TEXT = Meta(extra_json_schema={"type": "string"})
Kind = Literal["capsule", "persona", "tool", "policy"]


class PackageFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A package."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], _TEXT, about("Version of this form")]
    kind: Annotated[Literal["Package"], _TEXT, about("What the document is")]
    package: Annotated[PackageName, about("Its name; the two folders above this one", "acme/release")]
    version: Annotated[
        str,
        Meta(pattern=f"^{VERSION}$", extra_json_schema={HINTS: {"noun": "a version like `1.3.0`"}}),
        about("Its version; the folder that this file is in", "1.3.0"),
    ]
    description: Annotated[str, about("One or two sentences for people")] = ""
    provides: Annotated[Kind, _TEXT, about("The one thing that is in it")]
    file: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9_-][A-Za-z0-9_. -]*/)*[A-Za-z0-9_-][A-Za-z0-9_. -]*\.ya?ml$",
            extra_json_schema={HINTS: {"noun": "the path of a YAML file inside the package, like `release.yaml`"}},
        ),
        about("Where that is", "release.yaml"),
    ]
    requires: Annotated[
        dict[
            PackageName,
            Annotated[
                str,
                Meta(
                    pattern=f"^({RANGE})?$",
                    extra_json_schema={HINTS: {"noun": "a range of versions like `^1.2` (^ ~ = >=), or empty for any"}},
                ),
            ],
        ],
        about("Packages that it needs, and which versions of them will do", {"acme/base": "^1.2"}),
    ] = {}


class Manifest(Struct, frozen=True):
    """What the solver and the compiler need of a package's version."""

    package: str
    version: Version
    provides: Kind
    file: str
    requires: dict[str, Range]


class PackageWrong(Exception):
    """A version of a package cannot be used; the message says why, as one line."""


def read_manifest(package: str, version: str, content: bytes) -> Manifest:
    """The manifest of a version of a package; raises `PackageWrong`."""
    source, _, read, found = read_document(f"{package}/{version}/{FILE}", content, PackageFile)
    if read is None:
        raise PackageWrong(first_mistake(source, found))
    own = parse_version(read.version)
    if read.package != package or read.version != version or own is None:
        raise PackageWrong(f"{source.name}: it calls itself `{read.package}` {read.version}")
    requires = {}
    for name, text in read.requires.items():
        range_ = parse_range(text)
        if range_ is None:
            raise PackageWrong(f"{source.name}: `{text}` is not a range of versions")
        requires[name] = range_
    return Manifest(read.package, own, read.provides, read.file, requires)
