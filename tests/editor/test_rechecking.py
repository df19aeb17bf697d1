"""A check that takes over what has not changed says what a fresh one says, whatever was typed."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.capsule_compiler.analysis import Analyst, analyse, occurrences, type_lines
from somagent.capsule_compiler.diagnostics.codes import CODES
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.capsule_compiler.draft import FileBeside, Given
from somagent.capsule_compiler.language import prepare_language
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators

HERE = Path(__file__).parent
PIECES = (
    *"abx0 .:-#{}[]'\"|>&*!%?,\t\\$@`=<\n",
    *(
        "\n    ",
        "\n\n",
        "\r\n",
        "${{ ",
        " }}",
        "- ",
        ": ",
        " #",
        "---\n",
        "...\n",
        "é",
        "\n    more: { script: { run: x } }",
    ),
    *(
        "steps.",
        "inputs.",
        "has(",
        ")",
        " == 1",
        "item",
        "if: true\n",
        "# somagent: allow CAP412 reason",
        "type: integer",
    ),
)


def capsules() -> list[str]:
    """Capsules with and without mistakes, of every kind that is explained."""
    examples = [example_of(code) for code in CODES]
    texts = [one.written(which) for one in examples if one.kind == "capsule" for which in ("fails", "fixed")]
    whole = [HERE / "demo.capsule.yaml", *sorted((HERE.parent / "compile").glob("*.capsule.yaml"))]
    return [text for text in texts if len(text) < 5_000] + [path.read_text(encoding="utf-8") for path in whole] * 10


def edited(text: str, choose: random.Random) -> str:
    """The text after something that people and programs do to it."""
    lines = text.splitlines(keepends=True)
    line = choose.randrange(len(lines) + 1)
    at = choose.randrange(len(text) + 1)
    match choose.randrange(8):
        case 0 | 1 | 2:
            return text[:at] + choose.choice(PIECES) + text[at:]
        case 3:
            return text[:at] + text[at + choose.randrange(1, 12) :]
        case 4:
            return "".join(lines[:line] + lines[line + choose.randrange(1, 4) :])
        case 5:
            return "".join([*lines[:line], *lines[line - 3 : line], *lines[line:]])
        case 6:
            return "".join([*lines[:line], *(" " * choose.randrange(1, 3) + one for one in lines[line : line + 2])]) + (
                "".join(lines[line + 2 :])
            )
        case _:
            words = [found.span() for found in re.finditer(r"\w+", text)] or [(0, 0)]
            (start, end), (first, last) = choose.choice(words), choose.choice(words)
            return text[:start] + text[first:last] + text[end:]


@pytest.fixture(scope="module")
def surroundings() -> Given:
    """What the compiler is given in these tests: nothing lies beside the capsules."""

    def nothing_beside(path: str) -> list[FileBeside]:
        raise FileNotFoundError(2, "No such file or directory", path)

    return Given(prepare_language(load_operators(search=[]).catalogue), default_constitution(), nothing_beside)


def hold_together(analyst: Analyst, text: str, surroundings: Given) -> None:
    """Compares everything that is known of a text after the last one with what is known of it alone."""
    fresh = Given(surroundings.language, surroundings.constitution, surroundings.files)
    again, alone = (
        analyst.analyse("a.capsule.yaml", text.encode(), fresh),
        analyse("a.capsule.yaml", text.encode(), fresh),
    )
    assert again.diagnostics == alone.diagnostics
    assert again.draft.steps == alone.draft.steps
    assert again.draft.order == alone.draft.order
    assert occurrences(again.draft) == occurrences(alone.draft)
    assert type_lines(again.draft) == type_lines(alone.draft)


@given(seed=st.integers(0, 2**32), count=st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_a_check_after_the_last_one_says_what_a_fresh_one_says(seed: int, count: int, surroundings: Given) -> None:
    choose = random.Random(seed)
    analyst, text = Analyst(), choose.choice(CORPUS)
    hold_together(analyst, text, surroundings)
    for _ in range(count):
        text = edited(text, choose)
        hold_together(analyst, text, surroundings)


def test_also_when_a_capsule_is_typed_from_its_first_character_to_its_last(surroundings: Given) -> None:
    analyst, text = Analyst(), (HERE / "demo.capsule.yaml").read_text(encoding="utf-8")
    for length in range(len(text) + 1):
        hold_together(analyst, text[:length], surroundings)


def test_a_step_that_stands_as_it_stood_is_not_read_again(surroundings: Given) -> None:
    analyst, text = Analyst(), (HERE / "demo.capsule.yaml").read_text(encoding="utf-8")
    before = analyst.analyse("a.capsule.yaml", text.encode(), surroundings).draft
    name, *others = before.steps
    start = before.key_span(("spec", "steps", name)).end + 1
    after = analyst.analyse("a.capsule.yaml", f"{text[:start]} # a word{text[start:]}".encode(), surroundings).draft
    for other in others:
        one, two = before.steps[other], after.steps[other]
        assert [a.reading is b.reading for a, b in zip(one.expressions, two.expressions, strict=True)].count(False) == 0
        assert one.operation is two.operation


CORPUS = capsules()
