"""The page of all codes, `docs/diagnostics.md`, written from the list of codes and their examples."""

from __future__ import annotations

from collections.abc import Iterator

from somagent.capsule_compiler.diagnostics.codes import CODES
from somagent.capsule_compiler.diagnostics.explain import Explanation, explain

_GROUPS = {
    "CAP0": "The text",
    "CAP1": "Its form",
    "CAP2": "Names",
    "CAP3": "Expressions and types",
    "CAP4": "Order and guards",
    "CAP5": "Files and packages that a capsule uses",
    "CAP6": "Constitutions",
    "CAP7": "Secrets",
    "CAP8": "Allowing warnings, and files of tests",
}
_HEAD = """\
# Diagnostics

> Truth only: no mocks, no imitations, no bypasses, no invented values. Real servers, real data, exact mathematics.

Every mistake that `somagent check` finds has a code that never changes its meaning. `somagent explain CAP203` shows one
of them in the terminal. What follows is written from the list of codes and their examples, and a test runs them all.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    group = ""
    for code in CODES:
        if code.number[:4] != group:
            group = code.number[:4]
            yield f"\n## {group}xx {_GROUPS[group]}\n"
        yield _section(explain(code.number))


def _section(one: Explanation) -> str:
    severity = "" if one.severity == "error" else f" ({one.severity})"
    parts = [f"\n### {one.code} {one.name}{severity}\n\n{one.meaning}\n"]
    parts.append(_block("yaml", one.fails))
    parts += [f"\nwith `{name}`:\n{_block('yaml', content)}" for name, content in one.beside_fails.items()]
    if one.note:
        parts.append(f"\n{one.note}\n")
    parts.append(_block("text", one.shown))
    parts.append("\nThis is right:\n" + _block("yaml", one.fixed))
    changed = {name: text for name, text in one.beside_fixed.items() if one.beside_fails.get(name) != text}
    parts += [f"\nwith `{name}`:\n{_block('yaml', content)}" for name, content in changed.items()]
    return "".join(parts)


def _block(language: str, text: str) -> str:
    return f"\n```{language}\n{text.rstrip()}\n```\n"
