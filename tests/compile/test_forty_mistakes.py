"""One capsule with forty mistakes: all are said in one pass, each once, in the order of the text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.diagnostics import render_all, to_record

CAPSULE = Path(__file__).with_name("forty_mistakes.capsule.yaml")


def test_forty_mistakes_give_forty_diagnostics_in_one_pass(
    compiled: Callable[..., Any], golden: Callable[[Path, str], None]
) -> None:
    compilation = compiled(CAPSULE.read_bytes(), name=CAPSULE.name)
    assert len(compilation.diagnostics) == 40
    golden(CAPSULE.with_suffix("").with_suffix(".txt"), render_all(compilation.source, compilation.diagnostics))


def test_they_come_in_the_order_of_the_text_and_no_place_is_named_twice(compiled: Callable[..., Any]) -> None:
    spans = [one.span for one in compiled(CAPSULE.read_bytes()).diagnostics]
    assert spans == sorted(set(spans))


def test_each_is_a_record_with_its_place(compiled: Callable[..., Any]) -> None:
    compilation = compiled(CAPSULE.read_bytes(), name=CAPSULE.name)
    lines = CAPSULE.read_text(encoding="utf-8").splitlines()
    for one in compilation.diagnostics:
        record = to_record(compilation.source, one)
        assert record["file"] == CAPSULE.name
        assert record["code"].startswith("CAP")
        assert 1 <= record["column"] <= len(lines[record["line"] - 1])
        assert (record["line"], record["column"]) < (record["endLine"], record["endColumn"])


def test_without_the_mistakes_of_the_head_the_steps_are_looked_at_all_the_same(compiled: Callable[..., Any]) -> None:
    text = CAPSULE.read_text(encoding="utf-8")
    names = [one.name for one in compiled(text).diagnostics]
    mended = text.replace("kind: Capsul\n", "kind: Capsule\n").replace("Weekly_Report", "weekly-report")
    assert [one.name for one in compiled(mended).diagnostics] == [*names[2:]]
