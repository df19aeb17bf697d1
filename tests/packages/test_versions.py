"""Versions are ordered as SemVer says, and ranges mean what they mean to cargo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.capsule_compiler.packages.versions import Range, Version, parse_range, parse_version


def version(text: str) -> Version:
    found = parse_version(text)
    assert found is not None, text
    return found


def range_(text: str) -> Range:
    found = parse_range(text)
    assert found is not None, text
    return found


def test_precedence_is_that_of_the_standard() -> None:
    """SemVer 2.0.0, section 11, its own example, and the numbers around it."""
    text = "0.9.9 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0"
    ordered = [*text.split(), "1.0.1", "1.2.0", "1.10.0", "2.0.0"]
    assert sorted(sorted(ordered), key=version) == ordered


# Examples of https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html, and pre-releases beside them.
@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0 2.0.0-a 1.3.0-a"),
        ("^1.2", "1.2.0 1.9.0", "1.1.9 2.0.0"),
        ("^1", "1.0.0 1.9.0", "0.9.0 2.0.0"),
        ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0"),
        ("^0.2", "0.2.0 0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4 0.0.2"),
        ("^0.0", "0.0.0 0.0.9", "0.1.0"),
        ("^0", "0.0.0 0.9.9", "1.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0"),
        ("~1", "1.0.0 1.9.9", "2.0.0"),
        ("=1.2.3", "1.2.3", "1.2.4 1.2.2 1.2.3-a"),
        ("=1.2", "1.2.0 1.2.9", "1.3.0"),
        ("=1", "1.0.0 1.9.9", "2.0.0"),
        (">=1.2", "1.2.0 1.9.0 9.0.0", "1.1.9 9.0.0-a"),
        ("^1.2.3-beta.2", "1.2.3-beta.2 1.2.3-rc 1.2.3 1.9.0", "1.2.3-beta.1 1.2.4-a 2.0.0"),
        ("=1.2.3-a", "1.2.3-a", "1.2.3-b 1.2.3"),
        ("", "0.0.0 1.0.0 9.9.9", "1.0.0-a"),
    ],
)
def test_a_range_has_the_versions_that_cargo_gives_it(text: str, inside: str, outside: str) -> None:
    assert [one for one in inside.split() if version(one) not in range_(text)] == []
    assert [one for one in outside.split() if version(one) in range_(text)] == []


@pytest.mark.parametrize(
    "text",
    ["1", "^", "^1.", "^01", "^1.2.3.4", "^1.2.3-", "^1.2.3-01", "<2", "^1 ^2", "^1.2-a", "^v1", " ^1", "^1\n", "*"],
)
def test_what_is_no_range_is_none(text: str) -> None:
    assert parse_range(text) is None


@pytest.mark.parametrize("text", ["1", "1.2", "v1.2.3", "1.2.3+b", "01.2.3", "1.2.3-", "1.2.3-a..b", "1.2.3-01", ""])
def test_what_is_no_version_is_none(text: str) -> None:
    assert parse_version(text) is None


NUMBERS = st.integers(0, 12)
PARTS = st.sampled_from(["a", "rc", "0", "7", "11", "x-y"])
VERSIONS = st.builds(Version, st.tuples(NUMBERS, NUMBERS, NUMBERS), st.lists(PARTS, max_size=3).map(tuple))


@given(VERSIONS, VERSIONS)
def test_a_version_is_written_as_it_is_read_and_the_order_is_total(one: Version, other: Version) -> None:
    assert version(str(one)) == one
    assert (one < other) + (other < one) + (one == other) == 1


@given(VERSIONS, st.sampled_from(["^", "~", "=", ">="]))
def test_every_range_has_the_version_that_it_names(one: Version, operator: str) -> None:
    assert one in range_(f"{operator}{one}")


@given(VERSIONS, VERSIONS)
def test_a_caret_never_reaches_another_major_version(one: Version, other: Version) -> None:
    if other in range_(f"^{one}"):
        assert other.numbers[0] == one.numbers[0]
        assert not one > other
