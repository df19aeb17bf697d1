"""HTML that is safe by construction: a plain string is always escaped, only `Html` is taken as it is.

Everything a capsule or a script says is somebody else's text. It cannot leave its place: markup is escaped, control
characters and the ones that turn the direction of writing are shown by their number, and long texts are cut with a
note that says how long they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

STYLE = Path(__file__).with_name("style.css")
"""What all of it looks like."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
# C0 but tab and line feed, DEL and C1, the direction overrides and isolates, line separators, the byte order mark,
# lone surrogates and non-characters: none of them is text that a reader could see.
_UNSEEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff"
_SPECIAL = re.compile(f"[&<>\"'{_UNSEEN}]")
_QUOTED = re.compile("`([^`\n]+)`")
_MOST_ROWS = 60
_VOID = frozenset({"br", "meta", "path", "rect", "circle", "line", "use", "input", "col", "img"})


class Html(str):
    """Markup that is finished and escaped."""

    __slots__ = ()


def text(value: str) -> Html:
    """The text escaped for element content and for attributes in quotes."""
    return Html(_SPECIAL.sub(_escaped, value)) if _SPECIAL.search(value) else Html(value)


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Html:
    """An element. Attribute names: a trailing `_` is dropped, other `_` are hyphens; None leaves the attribute out."""
    start = name
    for key, value in attributes.items():
        if value is not None:
            start += f' {key.rstrip("_").replace("_", "-")}="{text(value) if isinstance(value, str) else value}"'
    if name in _VOID and not children:
        return Html(f"<{start}>" if name in {"br", "meta", "input", "col", "img"} else f"<{start}/>")
    content = "".join([child if type(child) is Html else text(child) for child in children])
    return Html(f"<{start}>{content}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Html:
    """The parts one after the other; plain strings among them are escaped."""
    return Html(text(between).join([part if type(part) is Html else text(part) for part in parts]))


def clip(value: str, limit: int) -> tuple[str, str]:
    """The text within `limit` characters, and a note when something was cut."""
    if len(value) <= limit:
        return value, ""
    return value[:limit], f"… {len(value):,} characters in all; the first {limit:,} are shown"


def said(value: str, limit: int = 500) -> Html:
    """Somebody else's words in a line of ours: isolated, so that their direction of writing cannot touch ours."""
    shown, note = clip(value, limit)
    escaped = text(shown)
    if "`" in escaped:  # names in messages stand between backticks
        escaped = Html(_QUOTED.sub(r"<code>\1</code>", escaped))
    return join([tag("bdi", escaped), tag("span", f" {note}", class_="note") if note else ""])


def code(value: str, limit: int = 200, class_: str | None = None) -> Html:
    """A name or a digest."""
    shown, note = clip(value, limit)
    return join([tag("code", shown, class_=class_), tag("span", f" {note}", class_="note") if note else ""])


def block(value: str, limit: int = 4_000) -> Html:
    """Text with its own line breaks."""
    shown, note = clip(value, limit)
    return join([tag("pre", shown, dir="auto"), tag("p", note, class_="note") if note else ""])


def facts(pairs: Iterable[tuple[str, str]], class_: str = "facts") -> Html:
    """A list of terms and what they are; pairs without a value are left out."""
    return tag("dl", *(tag("div", tag("dt", term), tag("dd", value)) for term, value in pairs if value), class_=class_)


def table(caption: str, heads: Iterable[str], rows: Iterable[str], class_: str | None = None) -> Html:
    """A table that scrolls on its own when it is too wide; `rows` are finished `tr` elements."""
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in heads)))
    whole = tag("table", tag("caption", caption), head, tag("tbody", *rows), class_=class_)
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def row(head: str, *cells: str, **attributes: str | float | None) -> Html:
    """A table row whose first cell names it."""
    return tag("tr", tag("th", head, scope="row"), *(tag("td", cell) for cell in cells), **attributes)


def tall(content: Html, rows: int, name: str) -> Html:
    """The content, in a frame that scrolls when it has so many rows that what comes after it would not be found."""
    if rows <= _MOST_ROWS:
        return content
    return tag("div", content, class_="tall", tabindex="0", role="region", aria_label=name)


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    return _ENTITIES.get(character) or f"\\u{{{ord(character):04X}}}"
