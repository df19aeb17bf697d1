"""Every code has an example that fails by it alone, a golden rendering, and a mended text that is clean."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from somagent.capsule_compiler.diagnostics import CODES, Code, render_all
from somagent.capsule_compiler.diagnostics.examples import FOLDER, example_of
from somagent.capsule_compiler.diagnostics.page import page

EVERY_CODE = pytest.mark.parametrize("code", CODES, ids=lambda code: f"{code.number}-{code.name}")
COMPANIONS = {"too-many-mistakes": {"yaml-ambiguous"}}  # of many mistakes each has a code of its own


@EVERY_CODE
def test_the_failing_example_fails_by_its_code_only(code: Code, check_example: Callable[..., object]) -> None:
    _, found = check_example(code, "fails")  # type: ignore[misc]
    assert {one.name for one in found} - COMPANIONS.get(code.name, set()) == {code.name}


@EVERY_CODE
def test_the_fixed_example_has_no_mistake_and_no_warning(code: Code, check_example: Callable[..., object]) -> None:
    source, found = check_example(code, "fixed")  # type: ignore[misc]
    assert render_all(source, found) == ""


@EVERY_CODE
def test_the_failure_is_shown_as_its_golden_text_says(
    code: Code, check_example: Callable[..., object], golden: Callable[[Path, str], None]
) -> None:
    source, found = check_example(code, "fails")  # type: ignore[misc]
    of_code = [one for one in found if one.name == code.name]
    golden(example_of(code).folder / "fails.txt", render_all(source, of_code))


def test_every_folder_is_the_example_of_a_code() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{code.number}-{code.name}" for code in CODES]


def test_numbers_are_sorted_and_names_are_unique() -> None:
    numbers = [code.number for code in CODES]
    assert numbers == sorted(set(numbers))
    assert all(re.fullmatch(r"CAP\d{3}", number) for number in numbers)
    assert len({code.name for code in CODES}) == len(CODES)


def test_meanings_are_sentences_for_people() -> None:
    for code in CODES:
        assert code.meaning.endswith("."), code
        assert code.meaning[0].isupper() or code.meaning.startswith(("`", "kubectl")), code


def test_the_page_of_all_codes_is_what_the_codes_say(repository: Path, golden: Callable[[Path, str], None]) -> None:
    golden(repository / "docs" / "diagnostics.md", page())
