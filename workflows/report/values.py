"""Any JSON value as people read it: lists of objects are tables, objects are lists of terms, artifacts have a size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import to_builtins

from somagent.operators.runner.records import Artifact
from somagent.workflows.report.findings import are_findings
from somagent.workflows.report.markup import Html, block, clip, code, facts, join, said, table, tag
from somagent.workflows.report.stored import NotShown, Stored
from somagent.workflows.report.words import counted, size

_DEEP = 4
_COLUMNS = 10
_LONG = 120  # characters; a longer text gets a block of its own
_FILES = 50
_SHORT = 24  # characters; a list of such values goes on in the line


class Shower:
    """Shows values until there is no more room in the page for them."""

    def __init__(self, stored: Stored, *, values: int = 4_000, rows: int = 200) -> None:
        self.stored = stored
        self._left = values
        self._rows = rows

    def show(self, value: Any, deep: int = 0) -> Html:
        """The value as HTML for a block."""
        self._left -= 1
        if self._left < 0:
            return tag("span", "not shown, the page is long enough", class_="note")
        if isinstance(value, NotShown):
            return join([tag("span", f"not shown: {value.why} ", class_="note"), code(value.digest, class_="digest")])
        if isinstance(value, str):
            return _words(value)
        if are_findings(value):
            return tag("a", f"{counted(len(value), 'finding')}, under Findings", href="#findings")
        if isinstance(value, Artifact):
            return self._artifact(value)
        if deep >= _DEEP and isinstance(value, dict | list):
            return compact(value)
        if isinstance(value, dict):
            return self._object(value, deep)
        if isinstance(value, list):
            return self._list(value, deep)
        return scalar(value)

    def _object(self, value: Mapping[str, Any], deep: int) -> Html:
        if not value:
            return tag("span", "empty", class_="note")
        pairs = [(str(name)[:100], self.show(member, deep + 1)) for name, member in list(value.items())[: self._rows]]
        return join([facts(pairs, "terms"), _left_out(len(value), self._rows, "members")])

    def _list(self, value: Sequence[Any], deep: int) -> Html:
        if not value:
            return tag("span", "an empty list", class_="note")
        if all(isinstance(member, dict) and member for member in value):
            return self._table(value, deep)
        members = [tag("li", self.show(member, deep + 1)) for member in value[: self._rows]]
        short = all(not isinstance(member, dict | list) and len(str(member)) <= _SHORT for member in value)
        shown = tag("ul", *members, class_="values short" if short else "values")
        return join([shown, _left_out(len(value), self._rows, "values")])

    def _table(self, value: Sequence[Mapping[str, Any]], deep: int) -> Html:
        names = list(dict.fromkeys(name for member in value[: self._rows] for name in member))
        heads = [name[:60] for name in names[:_COLUMNS]] + (["and"] if len(names) > _COLUMNS else [])
        rows = []
        for member in value[: self._rows]:
            cells = [self._cell(member, name, deep) for name in names[:_COLUMNS]]
            if len(names) > _COLUMNS:
                rest = {name: member[name] for name in names[_COLUMNS:] if name in member}
                cells.append(tag("td", compact(rest)))
            rows.append(tag("tr", *cells))
        return join([table(counted(len(value), "row"), heads, rows, "data"), _left_out(len(value), self._rows, "rows")])

    def _cell(self, member: Mapping[str, Any], name: str, deep: int) -> Html:
        if name not in member:
            return tag("td")
        value = member[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return tag("td", self.show(value, deep + 1), class_="number" if number else None)

    def _artifact(self, artifact: Artifact) -> Html:
        words = f"{artifact.kind}, {size(artifact.size)}"
        tree = self.stored.tree(artifact) if artifact.kind == "folder" else None
        inside = Html("")
        if tree is not None:
            paths = [tag("li", code(entry.path)) for entry in tree.entries[:_FILES]]
            left = _left_out(len(tree.entries), _FILES, "entries")
            head = tag("summary", counted(len(tree.entries), "entry", "entries"))
            inside = tag("details", head, tag("ul", *paths, class_="paths"), left)
        return tag(
            "div",
            tag("b", said(artifact.name, 200)),
            tag("span", f" {words} ", class_="note"),
            code(artifact.artifact, class_="digest"),
            inside,
            class_="artifact",
        )


def scalar(value: Any) -> Html:
    """A number, a truth value or nothing."""
    if value is None:
        return tag("span", "nothing", class_="note")
    words = json.dumps(value, default=str)
    return code(words) if isinstance(value, bool) else tag("span", clip(words, 400)[0], class_="number")


def compact(value: Any, limit: int = 300) -> Html:
    """The value as one line of JSON."""
    if isinstance(value, NotShown):
        return code(value.digest, class_="digest")
    return code(json.dumps(value, ensure_ascii=False, default=_plain), limit)


def _plain(value: Any) -> Any:
    return to_builtins(value) if isinstance(value, Artifact) else str(value)


def _words(value: str) -> Html:
    if not value:
        return tag("span", "an empty text", class_="note")
    return said(value) if len(value) <= _LONG and "\n" not in value else block(value)


def _left_out(number: int, shown: int, what: str) -> Html:
    return (
        tag("p", f"{number:,} {what} in all; the first {shown:,} are shown", class_="note")
        if number > shown
        else Html("")
    )
