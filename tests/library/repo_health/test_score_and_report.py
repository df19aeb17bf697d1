"""The score's formula, and the report as HTML, SARIF and JSON."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from repo_health import html, report, sarif, score
from repo_health.checks import REGISTRY

NONE = {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0, "waived": 0}


def result(check="tests", weight=10, *, applies=True, **counts):
    """A check's outputs with that many findings."""
    return {
        "check": check,
        "title": check,
        "weight": weight,
        "applies": applies,
        "counts": NONE | counts,
        "findings": [],
        "hidden": 0,
        "notes": [],
    }


def test_the_weights_of_all_checks_sum_to_a_hundred():
    assert sum(check.weight for check in REGISTRY.values()) == 100


@pytest.mark.parametrize(
    ("counts", "left"),
    [
        ({}, 1.0),
        ({"info": 9, "waived": 9}, 1.0),
        ({"low": 1}, 0.9),
        ({"low": 2}, 0.81),
        ({"low": 50}, 0.5),
        ({"medium": 1}, 0.7),
        ({"medium": 9}, 0.25),
        ({"medium": 9, "low": 50}, 0.125),
        ({"high": 2}, 0.0625),
        ({"high": 1, "low": 1}, 0.225),
        ({"critical": 1}, 0.0),
    ],
)
def test_what_findings_leave_of_a_checks_points(counts, left):
    assert score.share(NONE | counts) == pytest.approx(left)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], 0),
        ([result(applies=False)], 0),
        ([result()], 100),
        ([result(high=1)], 25),
        ([result(weight=30), result(weight=30, high=1)], 63),  # 37.5 of 60 = 62.5, rounded up
        ([result(weight=10), result(weight=90, applies=False, high=3)], 100),
        ([result(weight=90), result(weight=10, critical=1)], 49),
        ([result(weight=10), result(weight=90, critical=1)], 10),
    ],
)
def test_the_score(results, expected):
    assert score.score_of(results) == expected


@pytest.mark.parametrize(
    ("points", "grade"), [(100, "A"), (90, "A"), (89, "B"), (80, "B"), (70, "C"), (60, "D"), (59, "F"), (0, "F")]
)
def test_the_grade(points, grade):
    assert score.grade_of(points) == grade


def test_what_the_constitution_is_asked_about(repo, judge):
    results = [result("secrets", critical=1, high=2, medium=3, waived=4, info=4), result("tests", critical=1)]
    summary = score.summary(results, {"head": "a" * 40, "refs": 1})
    asked = {name: summary[name] for name in ("leaked_secrets", "accepted_secrets", "critical", "score")}
    assert asked == {"leaked_secrets": 3, "accepted_secrets": 4, "critical": 2, "score": 0}


def test_a_repository_without_commit_scores_nothing_and_says_why(repo, judge):
    judged = judge(repo)
    summary = score.summary([judged.check(name) for name in REGISTRY], judged.summary)
    assert (summary["score"], summary["grade"]) == (0, "F")
    assert [finding["id"].rpartition(".")[0] for finding in summary["findings"]] == ["repository.no-commit"]


def test_findings_are_listed_with_the_gravest_first(repo, judge, credentials):
    repo.commit({"a.py": f"t = '{credentials.make('npm-token')}'\n", "b.orig": "x\n"})
    judged = judge(repo)
    summary = score.summary([judged.check(name) for name in REGISTRY], judged.summary)
    severities = [finding["severity"] for finding in summary["findings"]]
    assert severities == sorted(severities, key=("critical", "high", "medium", "low", "info").index)
    assert summary["score"] <= 49


def test_a_check_lists_forty_findings_and_counts_all(repo, judge):
    repo.commit({f"keys/{number:03}.p12": b"x" for number in range(60)})
    outputs = judge(repo).check("risky_files")
    assert (len(outputs["findings"]), outputs["hidden"], outputs["counts"]["high"]) == (40, 20, 60)


class Page(HTMLParser):
    """Collects tags, addresses and unclosed elements of a page."""

    void = frozenset({"meta", "circle", "rect", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("href", "src", "action") or name.startswith("on")
        ]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def told(judged) -> html.Told:
    """What the report program would hand to the page."""
    results = [judged.check(name) for name in REGISTRY]
    return html.Told(
        inventory=judged.summary,
        summary=score.summary(results, judged.summary),
        results=results,
        tiles=report.map_files(judged.context.facts),
        rules="rules: <none> & more",
    )


HOSTILE = "<script>alert('x')</script>\"&'.py"


def test_the_report_escapes_whatever_the_repository_says(repo, judge):
    repo.commit(
        {
            HOSTILE.replace("/", "_"): "x = 1\n" * 400,
            "<img src=x onerror=alert(1)>.p12": b"\0",
            "README.md": "[a](<b onmouseover=alert(2)>.md)\n",
            ".github/CODEOWNERS": "* <svg/onload=alert(3)>\n",
        },
        author="Ann \"&' alert(4) <a@example.org>",
    )
    parsed = Page()
    text = html.page(told(judge(repo)))
    parsed.feed(text)

    assert "script" not in parsed.tags
    assert "img" not in parsed.tags
    assert parsed.addresses == []
    assert parsed.open == []
    assert "alert(4)" in parsed.text
    assert "<none> & more" in parsed.text


def test_the_report_needs_nothing_from_elsewhere(repo, judge):
    repo.commit({"a.py": "x = 1\n"})
    text = html.page(told(judge(repo)))
    assert "default-src 'none'" in text
    assert not re.search(
        r"url\(|@import|<link|<script|<iframe|https?://(?!www\.w3)", text.replace("choosealicense.com", "")
    )
    assert "prefers-color-scheme: dark" in text


def test_the_report_shows_score_formula_findings_and_how_to_accept_them(repo, judge):
    repo.commit({"a.py": "x = 1\n"})
    everything = told(judge(repo))
    parsed = Page()
    parsed.feed(html.page(everything))
    for line in score.FORMULA:
        assert line in parsed.text
    for finding in everything.summary["findings"]:
        assert finding["id"] in parsed.text
    assert ".repo-health-allow" in parsed.text
    assert f"{everything.summary['score']} of 100" in parsed.text


def test_the_map_covers_the_area_in_proportion_and_without_overlap():
    from repo_health.treemap import Box, squarify

    sizes = [600, 300, 200, 100, 50, 20, 5, 1]
    boxes = squarify(sizes, Box(0, 0, 100, 60))
    areas = [box.width * box.height for box in boxes]
    assert areas == pytest.approx([size * 6000 / sum(sizes) for size in sizes])
    assert all(b.x >= 0 and b.y >= 0 and b.x + b.width <= 100.001 and b.y + b.height <= 60.001 for b in boxes)
    for index, a in enumerate(boxes):
        for b in boxes[index + 1 :]:
            across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
            down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
            assert across < 1e-6 or down < 1e-6


def test_sarif_names_rules_places_and_fingerprints(repo, judge, credentials):
    name = "sub dir/ä#1.py"
    repo.commit({name: f"\nt = '{credentials.make('npm-token')}'\n"})
    summary = told(judge(repo)).summary
    document = sarif.document(summary["findings"])
    run = document["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    results = {entry["ruleId"]: entry for entry in run["results"]}

    assert document["version"] == "2.1.0"
    assert rules == sorted(set(rules))
    assert set(results) == set(rules)
    leak = results["secrets.npm-token"]
    assert leak["level"] == "error"
    assert leak["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "sub%20dir/%C3%A4%231.py"},
        "region": {"startLine": 2},
    }
    assert leak["partialFingerprints"]["repoHealthId/v1"].startswith("secrets.npm-token.")
    assert "locations" not in results["licence.no-licence"]


def test_the_programs_write_three_files(repo, judge, run_program):
    repo.commit({"a.py": "x = 1\n"})
    judged = judge(repo)
    judged.context.facts.save(judged.folder / "facts")
    results = [judged.check(name) for name in REGISTRY]
    scored = run_program("score", {"RESULTS": results, "INVENTORY": judged.summary})
    summary = {name: value if name == "grade" else json.loads(value) for name, value in scored.outputs.items()}
    values = {
        "RESULTS": results,
        "SUMMARY": summary,
        "INVENTORY": judged.summary,
        "FACTS": str(judged.folder / "facts"),
    }
    ended = run_program("report", values)

    assert (scored.code, ended.code) == (0, 0)
    assert sorted(path.name for path in ended.work.iterdir()) == ["findings.json", "findings.sarif", "report.html"]
    document = json.loads((ended.work / "findings.json").read_text(encoding="utf-8"))
    assert document["score"] == summary["score"]
    assert document["inventory"] == judged.summary


def test_an_unknown_check_is_refused(repo, judge, run_program):
    repo.commit({"a.py": "x = 1\n"})
    judged = judge(repo)
    judged.context.facts.save(judged.folder / "facts")
    values = {
        "CHECK": "smell",
        "SNAPSHOT": str(judged.folder),
        "FACTS": str(judged.folder / "facts"),
        "HISTORY_LIMIT": 10,
    }
    ended = run_program("check", values)
    assert ended.code == 1
    assert ended.stderr.startswith("repo-health: there is no check 'smell'; there are secrets, risky_files,")
