"""Findings: objects with a severity and a message, wherever they are among the results, the worst first.

The filter is a checkbox a severity and CSS, so the page needs no script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from somagent.capsule_compiler.plan import Plan
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.report.markup import Html, code, join, said, tag
from somagent.workflows.report.stored import Stored
from somagent.workflows.report.words import counted, listed

_RANKS = {
    **dict.fromkeys(("critical", "blocker", "fatal"), 1),
    **dict.fromkeys(("high", "error", "major"), 2),
    **dict.fromkeys(("medium", "moderate", "warning", "warn"), 3),
    **dict.fromkeys(("low", "minor"), 4),
}
_LEAST = 5
_MOST = 1_000
_DEEP = 3
_PLACES = ("file", "path", "location")
_HELPS = ("help", "hint", "fix", "remedy", "recommendation")


class Finding(NamedTuple):
    """A finding and the output that it stands in."""

    rank: int  # 1 is the worst
    severity: str
    said: Mapping[str, Any]
    source: str


class Findings(Struct, frozen=True):
    """All findings of a run, the worst first. `declared`: an output may hold findings even though none does."""

    found: list[Finding]
    declared: bool


def are_findings(value: Any) -> bool:
    """A list that is not empty, of objects that all have a severity and a message."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(one, dict) and isinstance(one.get("severity"), str) and isinstance(one.get("message"), str)
            for one in value
        )
    )


def collect(view: RunView, stored: Stored) -> Findings:
    """The findings in the run's outputs; when there are none, because it did not get that far, those of its steps."""
    found = [one for name, value in stored.values(view.outputs).items() for one in _within(value, name)]
    if not found:
        seen: set[bytes] = set()
        for step in view.steps:
            for one in (step, *step.items):
                for value in stored.values(one.outputs).values():
                    for finding in _within(value, step.id):
                        key = msgspec.json.encode(finding.said, order="sorted")
                        if key not in seen:
                            seen.add(key)
                            found.append(finding)
    found.sort(key=lambda finding: finding.rank)
    schemas = [*view.plan.output_schemas.values(), *(s for n in view.plan.nodes for s in n.outputs.values())]
    return Findings(found, any(_may_hold(schema, view.plan) for schema in schemas))


def findings_list(findings: Findings, *, complete: bool) -> Html:
    """The counts that are the filter, and the findings; `complete` says that nothing can be missing."""
    found = findings.found
    if not found:
        words = "No findings." if complete else "No findings so far; the run has not got to its end."
        return tag("p", words, class_="card good" if complete else "card note")
    ranks: dict[int, Counter[str]] = {}
    for finding in found:
        ranks.setdefault(finding.rank, Counter())[finding.severity] += 1
    chips = join(_chip(rank, names) for rank, names in sorted(ranks.items()))
    several = len({finding.source for finding in found}) > 1
    rows = [_row(finding, several=several) for finding in found[:_MOST]]
    note = f"{len(found):,} findings in all; the {_MOST:,} worst are shown" if len(found) > _MOST else ""
    return tag(
        "div",
        tag("fieldset", tag("legend", "Show"), chips, class_="chips"),
        tag(
            "table",
            tag("caption", f"{counted(len(found), 'finding')}, the worst first"),
            tag("thead", tag("tr", *(tag("th", head, scope="col") for head in ("Severity", "What", "Where")))),
            tag("tbody", *rows),
            class_="findings-table",
        ),
        tag("p", note, class_="note") if note else "",
        class_="card findings",
    )


def counts(findings: Findings) -> str:
    """`13 findings: 2 critical, 4 high and 7 low`."""
    tally = Counter(finding.severity[:30] for finding in findings.found)  # in the order of rank
    return f"{counted(len(findings.found), 'finding')}: {listed([f'{n:,} {name}' for name, n in tally.items()][:8])}"


def _within(value: Any, source: str, deep: int = 0) -> Iterator[Finding]:
    if are_findings(value):
        for one in value:
            yield Finding(_RANKS.get(one["severity"].strip().lower(), _LEAST), one["severity"], one, source)
    elif deep < _DEEP and isinstance(value, dict):
        for member in value.values():
            yield from _within(member, source, deep + 1)
    elif deep < _DEEP and isinstance(value, list):
        for member in value:
            if isinstance(member, dict | list):
                yield from _within(member, source, deep + 1)


def _may_hold(schema: Any, plan: Plan, deep: int = 0) -> bool:
    """Whether a value of this schema may hold a list of findings."""
    resolved = _resolved(schema, plan)
    if deep > _DEEP or not resolved:
        return False
    items = _resolved(resolved.get("items"), plan)
    members = items.get("properties")
    if isinstance(members, dict) and {"severity", "message"} <= members.keys():
        return True
    properties = resolved.get("properties")
    inner = list(properties.values()) if isinstance(properties, dict) else []
    return any(_may_hold(one, plan, deep + 1) for one in [*inner, items])


def _resolved(schema: Any, plan: Plan) -> dict[str, Any]:
    for _ in range(10):
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = plan.types.get(reference.removeprefix("#/types/"))
    return {}


def _chip(rank: int, names: Counter[str]) -> Html:
    name = f"show-{rank}"
    words = " / ".join(said[:30] for said in list(names)[:3])
    box = tag("input", type="checkbox", id=name, checked="")
    return tag("span", box, tag("label", words, " ", tag("b", f"{names.total():,}"), for_=name), class_=f"chip s{rank}")


def _row(finding: Finding, *, several: bool) -> Html:
    one = dict(finding.said)
    one.pop("severity")
    message = one.pop("message")
    helps = [one.pop(name) for name in _HELPS if isinstance(one.get(name), str)]
    place = next((one.pop(name) for name in _PLACES if isinstance(one.get(name), str)), "")
    line = one.pop("line", None)
    rest = [f"{name}: {value}" for name, value in one.items() if isinstance(value, str | int | float) and value != ""]
    if several:
        rest.insert(0, f"from {finding.source}")
    where = f"{place}:{line}" if place and isinstance(line, int) else place
    return tag(
        "tr",
        tag("td", tag("span", finding.severity[:30], class_=f"severity s{finding.rank}")),
        tag(
            "td",
            tag("p", said(message, 2_000), class_="message"),
            *(tag("p", said(words, 2_000), class_="help") for words in helps if words),
            tag("p", *(tag("span", said(words, 200)) for words in rest), class_="rest") if rest else "",
        ),
        tag("td", code(where, 500) if where else ""),
        class_=f"s{finding.rank}",
    )
