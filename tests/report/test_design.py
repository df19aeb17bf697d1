"""Everybody can read the page: enough contrast in light and dark, words beside colours, heads for tables, landmarks."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from somagent.operators.runner.records import FailureClass, Phase
from somagent.workflows import report
from somagent.workflows.report.icons import symbols
from somagent.workflows.report.words import EFFECTS, FAILURES, PHASES

STYLE = (Path(report.__file__).parent / "style.css").read_text(encoding="utf-8")
ON_CARD = ("ink", "soft", "accent", "ok", "bad", "wait", "stop", "idle", "s1", "s2", "s3", "s4", "s5")


def _colours() -> dict[str, dict[str, str]]:
    light, dark = [
        dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\n\s*\}", STYLE, re.DOTALL)[:2]
    ]
    return {"light": light, "dark": dark}


def _luminance(colour: str) -> float:
    """Relative luminance of sRGB (WCAG 2.2, definition)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(scheme: str) -> None:
    colours = _colours()[scheme]
    for ground in ("card", "paper"):
        weak = {name: _contrast(colours[name], colours[ground]) for name in ON_CARD}
        assert {name: round(ratio, 2) for name, ratio in weak.items() if ratio < 4.5} == {}
    for filled in ("s1", "s2", "s3", "s4", "s5"):
        assert _contrast(colours["on"], colours[filled]) >= 4.5
    assert _contrast(colours["ink"], colours["faint"]) >= 4.5


def test_every_phase_verdict_and_failure_has_words_and_every_phase_a_shape_of_its_own() -> None:
    assert set(PHASES) == set(Phase.__args__)  # type: ignore[attr-defined]
    assert set(FAILURES) == set(FailureClass.__args__)  # type: ignore[attr-defined]
    marks = [mark for mark, _ in PHASES.values()]
    assert len(set(marks)) == len(marks)
    shapes = dict(re.findall(r'<symbol id="i-([a-z]+)"[^>]*>(.*?)</symbol>', symbols()))
    assert set(marks) <= set(shapes)
    assert len(set(shapes.values())) == len(shapes)
    for mark in {*marks, *(name for name, _ in EFFECTS.values())}:
        assert f".p-{mark} " in STYLE or f".p-{mark}," in STYLE


def test_tables_have_captions_and_heads_and_the_page_has_landmarks(ran: Callable[..., Any]) -> None:
    page = ran(
        """
        steps:
          look:
            script: { run: 'echo "rows=[{\\"a\\": 1, \\"b\\": 2}]" >> $SOMAGENT_OUTPUT' }
            outputs: { rows: { type: array, maxItems: 3, items: { type: object } } }
        outputs: { rows: "${{ steps.look.rows }}" }
        """
    ).page
    for table in page.root.all("table"):
        assert len(table.all("caption")) >= 1
        assert all(head.attributes.get("scope") in {"col", "row"} for head in table.all("th"))
    assert [len(page.root.all(name)) for name in ("main", "nav", "footer", "h1")] == [1, 1, 1, 1]
    assert page.root.all("html")[0].attributes["lang"] == "en"
    for section in page.root.all("section"):
        assert page.ids[section.attributes["aria-labelledby"]].tag == "h2"
    for picture in page.root.all("svg"):
        named = {"aria-label", "aria-labelledby"} & set(picture.attributes)
        assert named or picture.attributes.get("aria-hidden") == "true"
    for element in page.root.all():
        if element.attributes.get("tabindex") == "0":
            assert element.attributes.get("aria-label")


def test_dark_narrow_and_printed_pages_are_thought_of() -> None:
    for query in ("prefers-color-scheme: dark", "max-width: 760px", "@media print", "prefers-reduced-motion"):
        assert query in STYLE


def test_only_the_report_itself_is_imported_for_a_report() -> None:
    import subprocess
    import sys

    program = "import sys, somagent.workflows.report; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"asyncio", "sqlite3", "rich", "jsonschema_rs", "yaml"}.isdisjoint(loaded)
