"""Which packages a compilation works with: those of the lock while it fits, else newly chosen ones."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from somagent.capsule_compiler.packages.lock import CapsuleLock, Lock, PackageLock
from somagent.capsule_compiler.packages.manifest import PackageWrong
from somagent.capsule_compiler.packages.opened import OpenPackage, PackageChanged, open_package
from somagent.capsule_compiler.packages.solve import Unsolvable, solve
from somagent.capsule_compiler.packages.source import PackageSource
from somagent.capsule_compiler.packages.versions import Version, parse_version
from somagent.capsule_compiler.packages.wanted import Wanted

Origin = tuple[str, str]


class Fault(Struct, frozen=True):
    """Why a package cannot be worked with."""

    name: str
    message: str
    origin: Origin  # section and alias of the use that leads to it
    help: str = ""
    others: tuple[Origin, ...] = ()  # uses that have to do with it, too


class Choice(Struct, frozen=True):
    """The packages by name, and the faults."""

    packages: Mapping[str, OpenPackage]
    faults: tuple[Fault, ...] = ()


def drift(wanted: Wanted, section: CapsuleLock | None) -> str:
    """How a capsule's section of the lock differs from what the capsule wants of packages; empty when it does not."""
    if section is None:
        return "it does not know this capsule" if wanted.requirements else ""
    requires = wanted.requires
    for package in sorted({*requires, *section.requires}):
        if package not in section.requires:
            return f"it does not pin `{package}`"
        if package not in requires:
            return f"it pins `{package}`, which is not used any more"
        if requires[package] != section.requires[package]:
            then, now = (
                " and ".join(one or "any version" for one in both[package]) for both in (section.requires, requires)
            )
            return f"it pins `{package}` for {then}, and the capsule uses {now}"
        if package not in section.packages:
            return f"it does not say which version of `{package}` is meant"
    return ""


def file_drift(wanted: Wanted, section: CapsuleLock | None) -> str:
    """The first file beside the capsule that is another than the lock says; empty when there is none."""
    pinned = section.files if section is not None else {}
    for path in sorted({*pinned, *wanted.files}):
        if path not in pinned:
            return f"it does not pin `{path}`"
        if pinned[path] != wanted.files.get(path):
            return f"`{path}` has changed since" if path in wanted.files else f"it pins `{path}`, which is not used"
    return ""


def pinned_packages(wanted: Wanted, section: CapsuleLock, lock: Lock, source: PackageSource) -> Choice:
    """What the lock pins, opened and held against its digests."""
    origins: dict[str, Origin] = {}
    for one in wanted.requirements:
        origins.setdefault(one.package, one.origin)
    first = wanted.requirements[0].origin
    chosen = {name: (version, origins.get(name, first)) for name, version in section.packages.items()}
    choice = _open(chosen, lock.packages, source)
    if choice.faults:
        return choice
    asked = [(one.by[-1], one.package, one.range) for one in wanted.requirements]
    for package in choice.packages.values():
        asked += [(package.key, name, range_) for name, range_ in package.manifest.requires.items()]
    for who, name, range_ in asked:
        found = choice.packages.get(name)
        if found is None or found.manifest.version not in range_:
            pinned = found.key if found is not None else "no version of it"
            message = f"`capsule.lock` pins {pinned}, and `{who}` requires `{name}` {range_}"
            return Choice(
                {}, (Fault("lock-wrong", message, origins.get(name, first), "`somagent lock` writes it anew"),)
            )
    return choice


def new_packages(wanted: Wanted, preferred: Mapping[str, str], lock: Lock, source: PackageSource) -> Choice:
    """Newly chosen packages; those that the lock pins are taken where they fit, and are what it says they are."""
    if not wanted.requirements:
        return Choice({})
    liked: dict[str, Version] = {}
    for name, text in preferred.items():
        version = parse_version(text)
        if version is not None:
            liked[name] = version
    try:
        solution = solve(wanted.requirements, source, liked)
    except Unsolvable as unsolvable:
        first, *others = unsolvable.origins
        fault = Fault(unsolvable.fault, str(unsolvable), first, unsolvable.help, tuple(others))
        return Choice({}, (fault,))
    chosen = {name: (str(one.manifest.version), one.origin) for name, one in solution.items()}
    return _open(chosen, lock.packages, source)


def _open(chosen: Mapping[str, tuple[str, Origin]], pinned: Mapping[str, PackageLock], source: PackageSource) -> Choice:
    packages: dict[str, OpenPackage] = {}
    faults: list[Fault] = []
    for name, (version, origin) in chosen.items():
        key = f"{name} {version}"
        try:
            packages[name] = open_package(source, name, version, pinned.get(key))
        except PackageWrong as wrong:
            faults.append(Fault("package-wrong", f"`{key}` cannot be used: {wrong}", origin))
        except PackageChanged as changed:
            help_ = f"a version never changes: get the one that was locked, or `somagent lock --upgrade {name}`"
            message = f"`{key}` is not what `capsule.lock` pins: {changed}"
            faults.append(Fault("package-changed", message, origin, help_))
    return Choice(packages, tuple(faults))
