"""Chooses one version of each package so that all who require it are content, the newest where there is a choice.

The search is `resolvelib`'s (the one of pip); what is required by whom is kept with each requirement, so that a
conflict can be explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from somagent.capsule_compiler.packages.manifest import Manifest, PackageWrong, read_manifest
from somagent.capsule_compiler.packages.source import PackageSource
from somagent.capsule_compiler.packages.versions import Range, Version, parse_version

if TYPE_CHECKING:
    from resolvelib.structs import RequirementInformation

MAX_ROUNDS = 5_000
_SHOWN = 12
WHERE = "packages are looked for in the folder that the variable SOMAGENT_PACKAGES names"


class Requirement(NamedTuple):
    """Somebody needs a package."""

    package: str
    range: Range
    by: tuple[str, ...]  # the chain that leads to it, such as `a.capsule.yaml`, `acme/x 1.0.0`
    origin: tuple[str, str]  # section and alias under the capsule's `uses` where the chain begins


class Candidate(NamedTuple):
    """A version that could be chosen."""

    package: str
    version: Version
    by: tuple[str, ...]
    origin: tuple[str, str]

    @property
    def key(self) -> str:
        """Package and version, as people read it."""
        return f"{self.package} {self.version}"


class Chosen(Struct, frozen=True):
    """A version that was chosen, and for which use."""

    manifest: Manifest
    origin: tuple[str, str]


class Unsolvable(Exception):
    """No choice of versions will do: which fault that is, what to say, and at which uses."""

    def __init__(self, fault: str, message: str, help_: str, origins: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.fault = fault
        self.help = help_
        self.origins = origins


def solve(
    requirements: Sequence[Requirement], source: PackageSource, preferred: Mapping[str, Version]
) -> dict[str, Chosen]:
    """The chosen versions by package; `preferred` are taken where they fit. Raises `Unsolvable`."""
    from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep  # noqa: PLC0415 - 15 ms
    from resolvelib.resolvers import Resolution  # noqa: PLC0415

    provider: Any = _Provider(source, preferred)
    try:
        state = Resolution(provider, BaseReporter()).resolve(requirements, max_rounds=MAX_ROUNDS)
    except ResolutionImpossible as impossible:
        raise provider.explained(impossible.causes) from None
    except ResolutionTooDeep:
        message = f"no choice of versions was found in {MAX_ROUNDS:,} attempts"
        help_ = "narrow the ranges of the packages that the capsule uses"
        raise Unsolvable("version-conflict", message, help_, [requirements[0].origin]) from None
    found: dict[str, Chosen] = {}
    left = [one.package for one in requirements]
    while left:  # what was tried on the way is in the mapping too; packages may require each other, or themselves
        name = left.pop()
        if name not in found:
            candidate = state.mapping[name]
            found[name] = Chosen(provider.manifest(candidate), candidate.origin)
            left += found[name].manifest.requires
    return dict(sorted(found.items()))


class _Provider:
    """What `resolvelib` asks (its `AbstractProvider`), answered from a source of packages."""

    def __init__(self, source: PackageSource, preferred: Mapping[str, Version]) -> None:
        self._source = source
        self._preferred = preferred
        self._versions: dict[str, list[Version]] = {}
        self._manifests: dict[str, Manifest] = {}

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> str:
        return requirement_or_candidate.package

    def get_preference(
        self, identifier: str, resolutions: Any, candidates: Any, information: Any, backtrack_causes: Any
    ) -> tuple[bool, str]:
        """Packages in the way of each other first, so that a conflict is met early; else by name."""
        del resolutions, candidates, information
        causes = {one.requirement.package for one in backtrack_causes}
        causes |= {one.parent.package for one in backtrack_causes if one.parent is not None}
        return identifier not in causes, identifier

    def narrow_requirement_selection(
        self, identifiers: Iterable[str], resolutions: Any, candidates: Any, information: Any, backtrack_causes: Any
    ) -> Iterable[str]:
        del resolutions, candidates, information, backtrack_causes
        return identifiers

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Requirement]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Iterable[Candidate]:
        wanted = list(requirements[identifier])
        refused = {one.version for one in incompatibilities[identifier]}
        fitting = [
            version
            for version in self.versions(identifier, wanted[0])
            if version not in refused and all(version in one.range for one in wanted)
        ]
        liked = self._preferred.get(identifier)
        if liked in fitting:
            fitting.remove(liked)
            fitting.insert(0, liked)
        by, origin = min((one.by, one.origin) for one in wanted)
        return [Candidate(identifier, version, by, origin) for version in fitting]

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        return candidate.version in requirement.range

    def get_dependencies(self, candidate: Candidate) -> Iterable[Requirement]:
        by = (*candidate.by, candidate.key)
        requires = self.manifest(candidate).requires
        return [Requirement(name, range_, by, candidate.origin) for name, range_ in requires.items()]

    def versions(self, package: str, asked: Requirement) -> list[Version]:
        """All versions of a package, the newest first."""
        if package not in self._versions:
            try:
                written = self._source.versions(package)
            except OSError as error:
                message = f"cannot look for package `{package}`: {error.strerror or error}"
                raise Unsolvable("package-wrong", message, "", [asked.origin]) from None
            found = {version for version in map(parse_version, written) if version is not None}
            self._versions[package] = sorted(found, reverse=True)
        return self._versions[package]

    def manifest(self, candidate: Candidate) -> Manifest:
        """What a version says of itself; raises `Unsolvable` when it cannot be used."""
        if candidate.key not in self._manifests:
            package, version = candidate.package, str(candidate.version)
            try:
                content = self._source.manifest(package, version)
                self._manifests[candidate.key] = read_manifest(package, version, content)
            except (OSError, PackageWrong) as error:
                why = str(error) if isinstance(error, PackageWrong) else (error.strerror or str(error)).lower()
                message = f"`{candidate.key}` cannot be used: {why}"
                help_ = f"{_chain(candidate.by)}; `=` before another version leaves this one out"
                raise Unsolvable("package-wrong", message, help_, [candidate.origin]) from None
        return self._manifests[candidate.key]

    def explained(self, causes: Sequence[RequirementInformation[Requirement, Candidate]]) -> Unsolvable:
        """Why there is no choice: who requires what, and which versions there are."""
        wanted = sorted({one.requirement for one in causes}, key=lambda one: (one.package, one.by, one.range.text))
        package = next((name for name in {one.package: 0 for one in wanted} if self._hopeless(name, wanted)), "")
        package = package or wanted[0].package
        wanted = [one for one in wanted if one.package == package]
        known = self.versions(package, wanted[0])
        origins = list(dict.fromkeys(one.origin for one in wanted))
        if not known:
            return self._unknown(wanted[0], origins)
        there = ", ".join(map(str, known[:_SHOWN])) + (", ..." if len(known) > _SHOWN else "")
        lone = [one for one in wanted if not any(version in one.range for version in known)]
        if lone:
            message = f"no version of `{package}` fits `{lone[0].range}`"
            help_ = f"{_chain(lone[0].by)}; there are {there}"
            return Unsolvable("no-matching-version", message, help_, [lone[0].origin])
        message = f"no version of `{package}` fits all who require it"
        lines = [f"`{one.range}` is required by {_who(one.by)}" for one in wanted]
        return Unsolvable("version-conflict", message, "\n    ".join([*lines, f"there are {there}"]), origins)

    def _hopeless(self, package: str, wanted: Sequence[Requirement]) -> bool:
        ranges = [one.range for one in wanted if one.package == package]
        return not any(all(version in one for one in ranges) for version in self.versions(package, wanted[0]))

    def _unknown(self, asked: Requirement, origins: list[tuple[str, str]]) -> Unsolvable:
        from somagent.governance.documents import nearest  # noqa: PLC0415 - needed for a mistake only

        others = self._source.versions(asked.package)
        if others:
            return Unsolvable("package-wrong", *no_version(asked.package, others), origins)
        near = nearest(asked.package, list(self._source.names()))
        message = f"there is no package `{asked.package}`"
        if len(asked.by) > 1:
            message += f", which {_who(asked.by)} requires"
        return Unsolvable("unknown-package", message, f"did you mean `{near}`?" if near else WHERE, origins)


def no_version(package: str, others: Sequence[str]) -> tuple[str, str]:
    """What to say, and the way out, when a package's folder has other folders than versions in it."""
    folder = f"{package}/{others[-1]}"
    return f"there is no version of `{package}`: `{folder}` is not one", "call the folder by a whole version: `1.0.0`"


def _who(by: tuple[str, ...]) -> str:
    """The last of a chain, and how it came in."""
    return f"`{by[-1]}`" + "".join(f", which `{one}` requires" for one in reversed(by[:-1]))


def _chain(by: tuple[str, ...]) -> str:
    return f"required by {_who(by)}"
