"""Diagnostics for code hosts: a SARIF log, and annotations of GitHub Actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from somagent.capsule_compiler.diagnostics.github import annotation, command
from somagent.capsule_compiler.diagnostics.sarif import sarif
from somagent.governance.documents import Diagnostic, Edit, Label, Source, Span

MISTAKES = Path(__file__).with_name("forty_mistakes.capsule.yaml")


def parts(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from parts(one)


@pytest.fixture
def log(compiled: Callable[..., Any]) -> dict[str, Any]:
    one = compiled(MISTAKES.read_text(encoding="utf-8"), name="caps/forty mistakes.capsule.yaml")
    other = compiled("steps: 漢 [\n", name="b.capsule.yaml")
    found = [(one.source, one.diagnostics), (other.source, other.diagnostics)]
    return sarif(found, version="1.2.3", folder="/home/ana/my work")


def test_several_files_are_one_run_with_the_rules_that_are_used(log: dict[str, Any]) -> None:
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    assert {one["ruleId"] for one in run["results"]} == set(rules)
    assert all(rules[one["ruleIndex"]] == one["ruleId"] for one in run["results"])
    assert len(run["results"]) > 40


def test_the_log_has_what_the_standard_requires(log: dict[str, Any]) -> None:
    assert (log["version"], log["$schema"].rsplit("/", 1)[-1]) == ("2.1.0", "sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": "file:///home/ana/my%20work/"}}
    assert run["invocations"] == [{"executionSuccessful": True}]
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in {"error", "warning"}
        assert len(result["locations"]) == 1
        ids = [one["id"] for one in result.get("relatedLocations", ())]
        assert ids == list(range(1, len(ids) + 1))
        for one in result.get("fixes", ()):
            assert one["artifactChanges"][0]["replacements"][0]["deletedRegion"]


def test_regions_count_from_one_and_end_behind_their_last_character(log: dict[str, Any]) -> None:
    regions = [part for part in parts(log) if isinstance(part, dict) and "startLine" in part]
    assert len(regions) > 60
    for region in regions:
        assert min(region.values()) >= 1
        assert (region["endLine"], region["endColumn"]) >= (region["startLine"], region["startColumn"])


def test_paths_are_uris(log: dict[str, Any]) -> None:
    uris = {part["uri"] for part in parts(log) if isinstance(part, dict) and "uriBaseId" in part}
    assert uris == {"caps/forty%20mistakes.capsule.yaml", "b.capsule.yaml"}
    elsewhere = sarif([(Source("/tmp/ä.yaml", "a"), [Diagnostic("cycle", "m", Span(0, 1))])], version="1")
    assert [part["uri"] for part in parts(elsewhere) if isinstance(part, dict) and "uri" in part] == [
        "file:///tmp/%C3%A4.yaml"
    ]


def test_a_fix_says_what_goes_and_what_comes() -> None:
    source = Source("a.yaml", "a: 😀 covrage\n")
    edit = Edit(Span(5, 12), "coverage", "write `coverage`")
    one = Diagnostic("unknown-output", "no", Span(5, 12), labels=(Label(Span(0, 1), "of this"),), edit=edit)
    (result,) = sarif([(source, [one])], version="1")["runs"][0]["results"]
    region = {"startLine": 1, "startColumn": 6, "endLine": 1, "endColumn": 13}  # the face is one code point
    assert result["locations"][0]["physicalLocation"]["region"] == region
    change = result["fixes"][0]["artifactChanges"][0]
    assert change["replacements"] == [{"deletedRegion": region, "insertedContent": {"text": "coverage"}}]
    assert result["relatedLocations"][0]["message"]["text"] == "of this"


def test_a_file_that_was_not_read_is_told_in_the_log() -> None:
    (run,) = sarif([], version="1", unread={"no.yaml": "cannot read `no.yaml`"})["runs"]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "cannot read `no.yaml`"
    assert run["results"] == []


def test_an_annotation_is_one_line_whatever_is_in_it() -> None:
    source = Source("dir,1/a:b%.yaml", "x: 1\ny: covrage\n")
    one = Diagnostic("unknown-output", "100% wrong\r\nhere: a, b", Span(8, 15), note="n", help="do\nthat")
    assert annotation(source, one) == (
        "::error file=dir%2C1/a%3Ab%25.yaml,line=2,endLine=2,col=4,endColumn=11,title=CAP203 unknown-output"
        "::100%25 wrong%0D%0Ahere: a, b%0An%0Ahelp: do%0Athat\n"
    )


def test_an_annotation_over_several_lines_has_no_columns() -> None:
    source = Source("a.yaml", "x: |\n  y\nz\n")
    assert annotation(source, Diagnostic("need-twice", "m", Span(3, 8))) == (
        "::warning file=a.yaml,line=1,endLine=2,title=CAP214 need-twice::m\n"
    )
    assert command("error", {"file": "a"}, "m") == "::error file=a::m\n"
