"""Real runs to report on: capsules are compiled, run by the local engine with the real operators, and written down."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from somagent.capsule_compiler.compile import compile_capsule
from somagent.capsule_compiler.draft import FileBeside
from somagent.capsule_compiler.language import prepare_language
from somagent.governance.constitution import Constitution, default_constitution, load_constitution
from somagent.governance.documents import decode_source
from somagent.operators.registry import load_operators
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.report import write_report

_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}
_REGISTRY = load_operators()
_LANGUAGE = prepare_language(_REGISTRY.catalogue)


class Element:
    """An element of a page; `text` is all that is in it."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag: str = "", class_: str = "") -> list[Element]:
        """Elements inside, in the order of the page."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if tag in {"", child.tag} and (not class_ or class_ in child.attributes.get("class", "").split()):
                    found.append(child)
                found += child.all(tag, class_)
        return found


class _Parser(HTMLParser):
    """Builds the tree and insists that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        closed = self.open.pop()
        assert closed.tag == tag, f"</{tag}> closes <{closed.tag}>"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


class Page:
    """A report, read as a browser reads it."""

    def __init__(self, html: str) -> None:
        parser = _Parser()
        parser.feed(html)
        parser.close()
        assert parser.open == [parser.root], "an element is not closed"
        self.html = html
        self.root = parser.root
        self.ids = {e.attributes["id"]: e for e in self.root.all() if "id" in e.attributes}

    @property
    def text(self) -> str:
        return self.root.all("body")[0].text

    def section(self, anchor: str) -> str:
        """The section's text, with white space made single."""
        return re.sub(r"\s+", " ", self.ids[anchor].text)

    def has(self, anchor: str) -> bool:
        return anchor in self.ids

    def row(self, anchor: str, head: str) -> list[str]:
        """The cells of the first table row of a section that is named `head`."""
        for row in self.ids[anchor].all("tr"):
            heads = [cell for cell in row.all("th") if cell.attributes.get("scope") == "row"]
            if heads and heads[0].text == head:
                return [cell.text for cell in row.all("td")]
        raise AssertionError(f"no row {head}")


@dataclass
class Ran:
    """A run, and the page that tells about it."""

    view: RunView
    page: Page
    path: Path


Act = Callable[[LocalEngine, str], Awaitable[object]]


@pytest.fixture
def read_page() -> Callable[[str], Page]:
    """Reads a report."""
    return Page


@pytest.fixture
def ran(tmp_path: Path) -> Callable[..., Ran]:
    """Runs a capsule given as YAML under `spec` and reports on it.

    `act` does with the engine and the run's id what should be done; by default the run is worked on to its end.
    `beside` are files beside the capsule, `constitution` is another one than the embedded.
    """

    def run(
        spec: str,
        *,
        inputs: dict[str, Any] | None = None,
        beside: dict[str, str] | None = None,
        constitution: str = "",
        act: Act | None = None,
        name: str = "tested",
    ) -> Ran:
        plan, files = _compiled(name, spec, beside or {}, constitution)

        async def work() -> RunView:
            async with LocalEngine(tmp_path / "data", _REGISTRY.operators) as engine:
                run_id = await engine.submit(plan, inputs or {}, submitter="ada", files=files)
                last = await (act(engine, run_id) if act is not None else engine.run(run_id))
                return engine.view(last if isinstance(last, str) else run_id)

        view = asyncio.run(work())
        path = tmp_path / "report.html"
        engine = LocalEngine(tmp_path / "data", _REGISTRY.operators)
        write_report(view, path, contents=Contents(tmp_path / "data" / "contents"), logs=engine.logs(view.run.id))
        return Ran(view, Page(path.read_text(encoding="utf-8")), path)

    return run


@pytest.fixture
def decide() -> Callable[..., Decision]:
    """A person's decision on a step."""

    def make(step: str, *, approve: bool, by: str = "grace", **more: Any) -> Decision:
        return Decision(step=step, by=by, approve=approve, at=datetime.now(UTC), **more)

    return make


def _compiled(name: str, spec: str, beside: dict[str, str], constitution: str) -> tuple[Any, Any]:
    body = "\n".join(f"  {line}" for line in spec.strip("\n").splitlines())
    text = f"apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: {{ name: {name} }}\nspec:\n{body}\n"

    def files(path: str) -> list[FileBeside]:
        return [
            FileBeside(name, content.encode(), executable=False) for name, content in beside.items() if name == path
        ]

    compilation = compile_capsule(
        f"{name}.capsule.yaml",
        text.encode(),
        language=_LANGUAGE,
        constitution=_constitution(constitution),
        files=files,
    )
    assert compilation.plan is not None, [(found.name, found.message) for found in compilation.diagnostics]
    return compilation.plan, compilation.contents


def _constitution(text: str) -> Constitution:
    if not text:
        return default_constitution()
    source, faults = decode_source("constitution.yaml", text.encode())
    constitution, more = load_constitution(source)
    assert constitution is not None, [*faults, *more]
    return constitution
