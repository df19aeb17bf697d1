"""The layout of a capsule is nothing to the compiler: same plan, same digest, same mistakes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.diagnostics import CODES, Code
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.capsule_compiler.plan import plan_digest
from somagent.governance.constitution import default_constitution
from somagent.governance.documents import Source, decode_source, read_yaml
from somagent.governance.documents.formatting import format_source
from somagent.workflows import capsules

REPOSITORY = Path(__file__).parents[2]
CAPSULES = [
    path
    for folder in ("docs/examples", "workflows/library", "cli/templates", "tests/compile")
    for path in sorted((REPOSITORY / folder).rglob("*.capsule.yaml"))
]

OF_THE_LAYOUT = {"unreadable-to-kubectl"}  # of a `?` between braces, which may stand outside of them now


@pytest.mark.parametrize("path", CAPSULES, ids=lambda path: path.name.partition(".")[0])
def test_the_layout_changes_no_plan(path: Path, tmp_path: Path) -> None:
    """The text is made crooked first, without a change of its meaning."""
    installation = capsules.this_installation()
    folder = tmp_path / "beside"
    shutil.copytree(path.parent, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    plans = []
    for text in (path.read_text(encoding="utf-8"), crooked(path)):
        (folder / path.name).write_text(text, encoding="utf-8")
        found = capsules.compile_file(folder / path.name, installation, default_constitution())
        said = sorted(one.name for one in found.diagnostics if one.name not in OF_THE_LAYOUT)
        plans.append((found.plan and plan_digest(found.plan), said))
    assert plans[0] == plans[1]


def crooked(path: Path) -> str:
    """The text in its layout, from one with other indentations and more blank lines."""
    lines = path.read_text(encoding="utf-8").split("\n")
    wide = "\n".join(line[: len(line) - len(line.lstrip(" "))] * 2 + line.lstrip(" ") for line in lines)
    before = read_yaml(Source(path.name, "\n".join(lines)))[0]
    after = read_yaml(Source(path.name, wide))[0]
    same = before is not None and after is not None and before.plain() == after.plain()  # no script has indented lines
    laid_out, _ = format_source(Source(path.name, wide.replace("\n", "\r\n") if same else "\n".join(lines)))
    assert laid_out is not None
    return laid_out


@pytest.mark.parametrize("which", ["fails", "fixed"])
@pytest.mark.parametrize("code", CODES, ids=lambda code: code.number)
def test_the_layout_changes_no_mistake(code: Code, which: str, compiled: Callable[..., Compilation]) -> None:
    example = example_of(code)
    beside = {path.name: path.read_bytes() for path in example.beside(which)}
    source, found = decode_source(example.name(which), example.document(which))
    laid_out = None if found else format_source(source)[0]
    if laid_out is None or example.kind == "constitution":
        return
    before, after = (compiled(text, beside=beside) for text in (source.text, laid_out))
    assert {one.name for one in after.diagnostics} == {one.name for one in before.diagnostics}
    assert (after.plan is None) == (before.plan is None)
    if before.plan and after.plan:
        assert plan_digest(after.plan) == plan_digest(before.plan)
