"""The report as one HTML file: no script, no resource from elsewhere, everything that comes from outside escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .checks import REGISTRY
from .findings import ALLOW_FILE, SEVERITIES
from .score import FORMULA, GRADES
from .text import human_bytes, plural, show
from .treemap import Box, squarify

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
COLOURS = ("#3b5bdb", "#2b8a3e", "#c2410c", "#946200", "#862e9c", "#0b7285", "#a3123a", "#5c6470")
RING = 2 * 3.14159265 * 56  # the ring's circumference
MAP_WIDTH, MAP_HEIGHT = 1040, 340
LABEL_WIDTH = 6.7  # of one character of the map's labels
SUMMARY_FINDINGS = 5
ASKED = ("leaked_secrets", "accepted_secrets", "critical", "score")  # what the gate hands to the constitution
SMALLEST_SHARE = 0.0005  # of the lines, for a language to be named


def esc(value: object) -> str:
    """Text made safe for content and attributes."""
    return html.escape(show(str(value), 4000), quote=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the report tells: outputs of the steps before, the files of the map, the constitution's text."""

    inventory: Mapping[str, Any]
    summary: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]
    tiles: Sequence[Mapping[str, Any]]
    rules: str


def prose(text: str) -> str:
    """A message or help as content; what stands in backticks is set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", esc(text))


def page(told: Told) -> str:
    """The whole report."""
    inventory, summary = told.inventory, told.summary
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    body = "\n".join(
        (
            heading(inventory, summary),
            first_things(summary),
            languages(inventory),
            points(summary),
            code_map(told.tiles, inventory),
            findings(summary, told.results),
            method(inventory, summary, told.rules),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{esc(inventory['name'])}: repository health {summary['score']}</title>\n"
        f"<style>\n{style}</style></head>\n<body><main>\n{body}\n</main></body></html>\n"
    )


def heading(inventory: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Name, commit, grade, and the inventory in tiles."""
    where = f"commit {inventory['head'][:12]}" if inventory["head"] else "no commit"
    branch = f" on {inventory['branch']}" if inventory["branch"] else " (detached)" if inventory["head"] else ""
    origin = f"<p class='soft mono'>{esc(inventory['origin'])}</p>" if inventory["origin"] else ""
    shallow = " The clone is shallow: history before its boundary was not there." if inventory["shallow"] else ""
    colour = "good" if summary["score"] >= 80 else "medium" if summary["score"] >= 60 else "high"
    filled = RING * summary["score"] / 100
    churn = inventory["churn"]
    tiles = (
        (
            f"{inventory['commits']:,}{'+' if inventory['commits_limited'] else ''}",
            word(inventory["commits"], "commit"),
        ),
        (f"{inventory['authors']:,}", word(inventory["authors"], "author")),
        (age(inventory["age_days"]), "since the first commit"),
        (f"{inventory['files']:,}", word(inventory["files"], "file")),
        (f"{inventory['lines']:,}", word(inventory["lines"], "line")),
        (human_bytes(inventory["bytes"]), "in HEAD"),
        (f"+{churn['added']:,} −{churn['deleted']:,}", f"lines in {churn['days']} days"),
    )
    boxes = "".join(f"<div class='tile'><b>{esc(value)}</b><span>{esc(name)}</span></div>" for value, name in tiles)
    return (
        f"<header class='head'><svg class='ring {colour}' viewBox='0 0 132 132' role='img' "
        f"aria-label='Score {summary['score']} of 100, grade {esc(summary['grade'])}'>"
        "<circle class='track' cx='66' cy='66' r='56' fill='none' stroke-width='12'/>"
        f"<circle cx='66' cy='66' r='56' fill='none' stroke='currentColor' stroke-width='12' stroke-linecap='round' "
        f"stroke-dasharray='{filled:.1f} {RING:.1f}' transform='rotate(-90 66 66)'/>"
        f"<text x='66' y='68' font-size='40' font-weight='700'>{esc(summary['grade'])}</text>"
        f"<text x='66' y='92' font-size='17'>{summary['score']} of 100</text></svg>"
        f"<div><h1>{esc(inventory['name'])}</h1>{origin}"
        f"<p class='soft'>Repository health of {esc(where + branch)}, judged at {esc(inventory['as_of'])}. "
        f"Only what is committed was read, and none of it was run.{shallow}</p></div></header>\n"
        f"<div class='tiles'>{boxes}</div>"
    )


def word(count: int, one: str) -> str:
    """The word without its number: `file` or `files`."""
    return plural(count, one).partition(" ")[2]


def age(days: int) -> str:
    """An age in the unit people would use."""
    return plural(days, "day") if days < 60 else f"{days // 30} months" if days < 730 else f"{days / 365.25:.1f} years"


def first_things(summary: Mapping[str, Any]) -> str:
    """The gravest findings, as what to do first."""
    grave = [finding for finding in summary["findings"] if finding["severity"] in ("critical", "high", "medium")]
    if not grave:
        return "<h2>What to do first</h2><p class='card'>Nothing urgent: no finding above low.</p>"
    items = "".join(
        f"<li><b class='{esc(finding['severity'])}'>{prose(finding['message'])}</b>{place(finding, ' in ')}. "
        f"<span class='soft'>{prose(finding['help'])}</span></li>"
        for finding in grave[:SUMMARY_FINDINGS]
    )
    return f"<h2>What to do first</h2><div class='card'><ol class='first'>{items}</ol></div>"


def place(finding: Mapping[str, Any], before: str = "") -> str:
    """File and line, and the commit where the message speaks of one."""
    if "file" not in finding:
        return ""
    line = f":{finding['line']}" if "line" in finding else ""
    return f"{before}<code>{esc(finding['file'])}{line}</code>"


def languages(inventory: Mapping[str, Any]) -> str:
    """Shares of languages by lines."""
    rows = [row for row in inventory["languages"] if row["share"] >= SMALLEST_SHARE]
    if not rows:
        return ""
    shown = rows[: len(COLOURS) - 1]
    parts = [(row["name"], row["share"], f"{row['lines']:,} lines, {row['files']:,} files") for row in shown]
    if len(rows) > len(shown):
        rest = rows[len(shown) :]
        parts.append(("others", sum(r["share"] for r in rest), f"{sum(r['lines'] for r in rest):,} lines"))
    coloured = list(zip(parts, COLOURS, strict=False))
    bar = "".join(f"<span style='width:{part[1] * 100:.2f}%;background:{colour}'></span>" for part, colour in coloured)
    legend = "".join(
        f"<span title='{esc(part[2])}'><i style='background:{colour}'></i>{esc(part[0])} {part[1]:.1%}</span>"
        for part, colour in coloured
    )
    return f"<h2>Languages</h2><div class='card'><div class='bar'>{bar}</div><div class='legend'>{legend}</div></div>"


def points(summary: Mapping[str, Any]) -> str:
    """The score's table and its formula."""
    rows = "".join(point_row(row) for row in summary["table"])
    grades = ", ".join(f"{grade} from {limit}" for limit, grade in GRADES[:-1])
    formula = "".join(f"<p class='mono'>{esc(line)}</p>" for line in FORMULA)
    return (
        "<h2>The score</h2><div class='card'><table><thead><tr><th>Check</th><th>Findings</th><th></th>"
        f"<th class='number'>Points</th><th class='number'>of</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f"<div class='soft' style='margin-top:12px'>{formula}<p>Grades: {grades}, F below.</p></div>"
    )


def point_row(row: Mapping[str, Any]) -> str:
    """One check's points."""
    if not row["applies"]:
        return (
            f"<tr><td>{esc(row['title'])}</td><td class='soft' colspan='2'>does not apply here</td>"
            f"<td class='number soft'>–</td><td class='number soft'>–</td></tr>"
        )
    part = row["points"] / row["weight"]
    tone = "" if part >= 0.75 else " middling" if part >= 0.4 else " poor"
    return (
        f"<tr><td>{esc(row['title'])}</td><td>{chips(row['counts'])}</td>"
        f"<td><div class='meter{tone}'><i style='width:{part * 100:.0f}%'></i></div></td>"
        f"<td class='number'>{row['points']:.1f}</td><td class='number'>{row['weight']}</td></tr>"
    )


def chips(counts: Mapping[str, int]) -> str:
    """How many of each severity."""
    found = [f"<span class='chip small {name}'>{counts[name]} {name}</span>" for name in SEVERITIES if counts.get(name)]
    return "".join(found) or "<span class='soft'>none</span>"


def code_map(tiles: Sequence[Mapping[str, Any]], inventory: Mapping[str, Any]) -> str:
    """The treemap: area = lines, colour = commits within the window."""
    if not tiles:
        return ""
    hottest = max(tile["commits"] for tile in tiles) or 1
    boxes = squarify([tile["lines"] for tile in tiles], Box(0, 0, MAP_WIDTH, MAP_HEIGHT))
    shapes = "".join(map_tile(tile, box, tile["commits"] / hottest) for tile, box in zip(tiles, boxes, strict=True))
    return (
        f"<h2>Where the changes are</h2><div class='card'><svg class='map' viewBox='0 0 {MAP_WIDTH} {MAP_HEIGHT}' "
        f"role='img' aria-label='Map of the largest code files'>{shapes}</svg>"
        f"<p class='soft' style='margin-top:10px'>The {len(tiles)} largest code files: area is lines, colour is "
        f"commits in {inventory['churn']['days']} days (the strongest is {hottest}). Large and strong together is a "
        "hot spot.</p>"
        "</div>"
    )


def map_tile(tile: Mapping[str, Any], box: Box, heat: float) -> str:
    """One file; its name is written when it fits, and always there as a tooltip."""
    name = show(str(tile["path"]).rpartition("/")[2], 60)
    fits = box.width > len(name) * LABEL_WIDTH + 8 and box.height > 18
    label = f"<text x='{box.x + 5:.1f}' y='{box.y + 14:.1f}'>{esc(name)}</text>" if fits else ""
    title = f"{show(tile['path'])}: {plural(tile['lines'], 'line')}, {plural(tile['commits'], 'commit')}"
    fill = f"color-mix(in srgb, var(--hot) {heat * 85:.0f}%, var(--cold))"
    return (
        f"<g><title>{esc(title)}</title><rect x='{box.x:.1f}' y='{box.y:.1f}' width='{box.width:.1f}' "
        f"height='{box.height:.1f}' style='fill:{fill}'/>{label}</g>"
    )


def findings(summary: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    """All findings by check; checks with something above low stand open."""
    general = [finding for finding in summary["findings"] if finding["check"] == "repository"]
    blocks = "".join(finding_row(finding) for finding in general)
    blocks = f"<div class='card' style='margin-bottom:10px'>{blocks}</div>" if blocks else ""
    return f"<h2>Findings</h2>{blocks}{''.join(check_block(result) for result in results)}"


def check_block(result: Mapping[str, Any]) -> str:
    """One check: why it matters, what was looked at, what was found."""
    counts = result["counts"]
    grave = any(counts[severity] for severity in ("critical", "high", "medium"))
    state = chips(counts) if result["applies"] else "<span class='soft'>does not apply</span>"
    notes = "".join(f"<li>{esc(note)}</li>" for note in result["notes"])
    hidden = f"<p class='soft'>and {result['hidden']} more, counted but not listed</p>" if result["hidden"] else ""
    check = REGISTRY.get(result["check"])
    why = f"<p class='soft'>{esc(check.why)}</p>" if check else ""
    rows = "".join(finding_row(finding) for finding in result["findings"])
    return (
        f"<details class='card'{' open' if grave else ''}><summary><h3>{esc(result['title'])}</h3>"
        f"<span class='push'>{state}</span></summary>"
        f"<div>{why}<ul class='notes'>{notes}</ul>{rows}{hidden}</div></details>"
    )


def finding_row(finding: Mapping[str, Any]) -> str:
    """One finding with its place, its help and its id."""
    where, severity = place(finding), esc(finding["severity"])
    oid = finding.get("commit", "")[:12]
    commit = f" <span class='soft'>added by <code>{esc(oid)}</code></span>" if oid else ""
    return (
        f"<div class='finding'><div><span class='chip {severity}'>{severity}</span></div>"
        f"<div><div>{prose(finding['message'])}</div><div>{where}{commit}</div>"
        f"<div class='help'>{prose(finding['help'])}</div><div class='soft mono'>{esc(finding['id'])}</div></div></div>"
    )


def method(inventory: Mapping[str, Any], summary: Mapping[str, Any], rules: str) -> str:
    """What the report rests on, what it does not claim, and how to answer a finding."""
    people = ", ".join(f"{esc(person['name'])} ({person['commits']:,})" for person in inventory["top_authors"])
    asked = ", ".join(f"<code>{name} = {summary[name]}</code>" for name in ASKED)
    limited = (
        f"<p>History was read to its newest {inventory['commits']:,} commits; what is older was not judged.</p>"
        if inventory["commits_limited"]
        else ""
    )
    return (
        "<h2>How this was judged</h2><div class='card'>"
        "<p>A bare copy of the repository was made and read by git alone: the files of one commit, and the history of "
        "all branches and tags. No code, hook, filter or build of the repository was run, so “tests” means that they "
        "are there and can be started, never that they pass. Credentials that were found are not in this file.</p>"
        f"{limited}<p>To accept a finding, commit the file <code>{ALLOW_FILE}</code> with a line “its id, then the "
        "reason”. It is then shown as information and costs nothing; accepted secrets still need a person’s approval."
        "</p>"
        f"<p class='soft'>Most commits: {people or 'nobody'}.</p></div>"
        f"<h2>The constitution of this job</h2><p>It is asked about: {asked}. "
        "What it answers is in the run's own record.</p>"
        f"<pre class='mono'>{html.escape(rules)}</pre>"
    )
