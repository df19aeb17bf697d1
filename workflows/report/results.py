"""What the run gives: single figures large, everything else as it reads best."""

from __future__ import annotations

import shlex
from typing import Any

from somagent.operators.runner.artifacts import with_artifacts
from somagent.operators.runner.records import Artifact
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.report.findings import are_findings
from somagent.workflows.report.markup import Html, code, facts, said, tag
from somagent.workflows.report.stored import Stored
from somagent.workflows.report.values import Shower
from somagent.workflows.report.words import counted

_LONG = 12  # members
_FIGURE = 28  # characters that still read as one figure


def results(view: RunView, stored: Stored, shower: Shower) -> Html:
    """The run's outputs, in the order of the capsule."""
    if not view.outputs:
        return tag("p", _why_empty(view), class_="card note")
    values = with_artifacts(stored.values(view.outputs), view.plan.output_schemas)
    order = [name for name in view.plan.outputs if name in values]
    order += [name for name in values if name not in order]
    figures = [_figure(name, values[name], view) for name in order if _is_figure(values[name])]
    rest = [name for name in order if not _is_figure(values[name]) and not are_findings(values[name])]
    files = [name for name in rest if isinstance(values[name], Artifact)]
    rest = sorted((name for name in rest if name not in files), key=lambda name: not _is_short(values[name]))
    others = [_other(name, values[name], view, shower) for name in rest]
    if files:
        others.insert(0, _files({name: values[name] for name in files}, view, shower))
    tiles = tag("dl", *figures, class_="tiles") if figures else ""
    if not figures and not others:
        return tag("p", "Findings are all that the run gives.", class_="card note")
    return tag("div", tiles, *others, class_="results")


def inputs(view: RunView, shower: Shower) -> Html:
    """What the run was started with, defaults filled in."""
    if not view.run.inputs:
        return tag("p", "The run needed no inputs.", class_="card note")
    pairs = [(name[:80], shower.show(value)) for name, value in view.run.inputs.items()]
    return tag("div", facts(pairs, "terms"), class_="card")


def _why_empty(view: RunView) -> str:
    if view.phase == "Succeeded":
        return "The run gave no results."
    return (
        "There are none: results are put together when all steps have succeeded. Step by step has what each answered."
    )


def _is_figure(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _FIGURE and "\n" not in value
    return isinstance(value, bool | int | float)


def _is_short(value: Any) -> bool:
    """Whether half the page's width is enough."""
    if not isinstance(value, dict):
        return not isinstance(value, list) or all(not isinstance(member, dict | list) for member in value)
    return len(value) <= 8 and all(_is_figure(member) for member in value.values())


def _is_long(value: Any) -> bool:
    """Whether it would push everything else out of sight."""
    return isinstance(value, dict | list) and len(value) > _LONG


def _figure(name: str, value: Any, view: RunView) -> Html:
    words = said(value) if isinstance(value, str) else tag("span", _number(value))
    about = _about(name, view)
    return tag("div", tag("dt", name[:80]), tag("dd", words), tag("dd", about, class_="note") if about else "")


def _number(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _other(name: str, value: Any, view: RunView, shower: Shower) -> Html:
    about = _about(name, view)
    inside = [tag("p", about, class_="note") if about else "", shower.show(value)]
    if _is_long(value):
        words = counted(len(value), "member" if isinstance(value, dict) else "value")
        fold = tag("details", tag("summary", tag("h3", name[:80]), tag("span", words, class_="note")), *inside)
        return tag("article", fold, class_="card long")
    return tag("article", tag("h3", name[:80]), *inside, class_="card short" if _is_short(value) else "card")


def _files(artifacts: dict[str, Any], view: RunView, shower: Shower) -> Html:
    """Files and folders, and how to get them out."""
    pairs = [(name[:80], shower.show(value)) for name, value in artifacts.items()]
    command = code(shlex.join(["somagent", "artifacts", view.run.id, next(iter(artifacts)), "--to", "FOLDER"]))
    way = tag("p", "To copy one into a folder: ", command, class_="note")
    return tag("article", tag("h3", "Files"), facts(pairs, "terms"), way, class_="card")


def _about(name: str, view: RunView) -> str:
    about = view.plan.output_schemas.get(name, {}).get("description", "")
    return about[:300] if isinstance(about, str) else ""
