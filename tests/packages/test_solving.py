"""The chosen versions satisfy everybody, or it is said who cannot be satisfied."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.capsule_compiler.packages.solve import Requirement, Unsolvable, solve
from somagent.capsule_compiler.packages.versions import parse_range, parse_version

Index = Mapping[str, Mapping[str, Mapping[str, str]]]  # package, version, requirements


class InMemory:
    """A source of packages that holds manifests only; the solver asks for nothing else."""

    kind = "memory"

    def __init__(self, index: Index) -> None:
        self.index = index

    def names(self) -> list[str]:
        return list(self.index)

    def versions(self, package: str) -> list[str]:
        return list(self.index.get(package, {}))

    def manifest(self, package: str, version: str) -> bytes:
        requires = "".join(f"  {name}: '{text}'\n" for name, text in self.index[package][version].items())
        head = f"apiVersion: somagent.io/v1alpha1\nkind: Package\npackage: {package}\nversion: {version}\n"
        return f"{head}provides: policy\nfile: it.yaml\n{'requires:' if requires else ''}\n{requires}".encode()

    def open(self, package: str, version: str) -> Any:
        raise FileNotFoundError(2, "only manifests are here", f"{package} {version}")


def asked(**ranges: str) -> list[Requirement]:
    found = []
    for name, text in ranges.items():
        range_ = parse_range(text)
        assert range_ is not None
        found.append(Requirement(f"a/{name}", range_, ("it.capsule.yaml",), ("policies", name)))
    return found


def chosen(index: Index, preferred: Mapping[str, str] | None = None, **ranges: str) -> dict[str, str]:
    liked = {name: version for name, text in (preferred or {}).items() if (version := parse_version(text)) is not None}
    found = solve(asked(**ranges), InMemory(index), liked)
    return {name: str(one.manifest.version) for name, one in found.items()}


def test_what_was_tried_and_requires_itself_is_left_out() -> None:
    index = {
        "a/v": {"1.1.0": {"a/v": ""}},
        "a/w": {},
        "a/x": {},
        "a/y": {"1.1.0": {"a/y": "~1.0", "a/v": "^1"}, "1.0.0": {}},
        "a/z": {"2.1.0": {"a/v": "=1.1.0", "a/w": "^2"}, "1.0.0": {}},
    }
    assert chosen(index, y="") == {"a/y": "1.0.0"}
    assert chosen(index, z="") == {"a/z": "1.0.0"}
    assert chosen(index, z="", v="^1") == {"a/v": "1.1.0", "a/z": "1.0.0"}


def test_the_newest_version_that_fits_everybody_is_chosen() -> None:
    index = {"a/x": {"1.0.0": {}, "1.5.0": {"a/y": "~1.1"}}, "a/y": {"1.1.4": {}, "1.1.9": {}, "1.2.0": {}}}
    assert chosen(index, x="^1", y="^1") == {"a/x": "1.5.0", "a/y": "1.1.9"}


def test_an_older_version_is_taken_where_the_newest_leaves_no_choice() -> None:
    index = {"a/x": {"1.0.0": {"a/y": "^1"}, "1.1.0": {"a/y": "^2"}}, "a/y": {"1.0.0": {}, "2.0.0": {}}}
    assert chosen(index, x="^1", y="^1") == {"a/x": "1.0.0", "a/y": "1.0.0"}


def test_what_was_pinned_stays_while_it_fits() -> None:
    index = {"a/x": {"1.0.0": {}, "1.1.0": {}, "2.0.0": {}}}
    assert chosen(index, {"a/x": "1.0.0"}, x="^1") == {"a/x": "1.0.0"}
    assert chosen(index, {"a/x": "1.0.0"}, x="^2") == {"a/x": "2.0.0"}
    assert chosen(index, {"a/x": "1.0.9"}, x="^1") == {"a/x": "1.1.0"}


def test_packages_may_require_each_other() -> None:
    index = {"a/x": {"1.0.0": {"a/y": "^1"}}, "a/y": {"1.0.0": {"a/x": "^1"}}}
    assert chosen(index, x="") == {"a/x": "1.0.0", "a/y": "1.0.0"}


def test_a_conflict_says_who_requires_what_and_which_versions_there_are() -> None:
    index = {
        "a/x": {"1.0.0": {"a/z": "^1"}},
        "a/y": {"1.0.0": {"a/w": ""}},
        "a/w": {"3.0.0": {"a/z": "^2"}},
        "a/z": {"1.0.0": {}, "2.0.0": {}},
    }
    with pytest.raises(Unsolvable) as caught:
        chosen(index, x="", y="")
    assert caught.value.fault == "version-conflict"
    assert str(caught.value) == "no version of `a/z` fits all who require it"
    assert caught.value.help.splitlines() == [
        "`^1` is required by `a/x 1.0.0`, which `it.capsule.yaml` requires",
        "    `^2` is required by `a/w 3.0.0`, which `a/y 1.0.0` requires, which `it.capsule.yaml` requires",
        "    there are 2.0.0, 1.0.0",
    ]
    assert set(caught.value.origins) == {("policies", "x"), ("policies", "y")}


def test_a_package_that_is_not_there_is_not_called_a_conflict() -> None:
    index = {"a/release": {"1.0.0": {"a/nothing": "^1"}}}
    with pytest.raises(Unsolvable, match="there is no package `a/nothing`, which `a/release") as caught:
        chosen(index, release="^1")
    assert caught.value.fault == "unknown-package"
    with pytest.raises(Unsolvable) as caught:
        chosen(index, relaese="^1")
    assert caught.value.help == "did you mean `a/release`?"


NAMES = ["v", "w", "x", "y", "z"]
TEXTS = ["1.0.0", "1.1.0", "2.0.0", "2.1.0-a"]
RANGES = st.sampled_from(["", "^1", "^2", "~1.0", "=1.1.0", ">=1.1", "=3", "^2.1.0-a"])
REQUIRES = st.dictionaries(st.sampled_from([f"a/{name}" for name in NAMES]), RANGES, max_size=2)
INDEXES = st.fixed_dictionaries(
    {f"a/{name}": st.dictionaries(st.sampled_from(TEXTS), REQUIRES, max_size=3) for name in NAMES}
)


def fits(choice: Mapping[str, str], index: Index, wanted: Mapping[str, str]) -> bool:
    """Whether a choice satisfies the capsule and every package in it."""
    requirements = [*wanted.items()]
    for name, text in choice.items():
        requirements += index[name][text].items()
    for name, text in requirements:
        range_, version = parse_range(text), parse_version(choice.get(name, ""))
        if range_ is None or version is None or version not in range_:
            return False
    return True


def any_choice(index: Index, wanted: Mapping[str, str]) -> bool:
    """Whether there is a solution, by trying all of them."""
    options = [[None, *versions] for versions in index.values()]
    for picked in itertools.product(*options):
        choice = {name: text for name, text in zip(index, picked, strict=True) if text is not None}
        if fits(choice, index, wanted):
            return True
    return False


@settings(max_examples=150, deadline=None)
@given(INDEXES, st.dictionaries(st.sampled_from(NAMES), RANGES, min_size=1, max_size=3))
def test_a_choice_satisfies_all_and_where_there_is_one_it_is_found(index: Index, ranges: dict[str, str]) -> None:
    wanted = {f"a/{name}": text for name, text in ranges.items()}
    if not any_choice(index, wanted):
        with pytest.raises(Unsolvable) as caught:
            chosen(index, **ranges)
        assert caught.value.fault in {"version-conflict", "no-matching-version", "unknown-package"}
        assert str(caught.value)
        assert caught.value.origins
        return
    found = chosen(index, **ranges)
    assert fits(found, index, wanted)
    assert found == chosen(dict(reversed(index.items())), **dict(reversed(ranges.items())))
