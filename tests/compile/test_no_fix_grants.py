"""Who gets a secret is decided by a person: no fix, safe or guessed, widens a grant or hands over another secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from somagent.capsule_compiler.diagnostics import CODES, Code
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.capsule_compiler.diagnostics.fix import Checked, fix
from somagent.capsule_compiler.plan import plan_digest
from somagent.governance.documents import decode_source, read_yaml

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n"
READS = re.compile(r"secrets\.\w+")
Compile = Callable[..., Any]


def grants(text: str) -> set[str]:
    """Every name under a `grantTo`, however it is written."""
    root, _ = read_yaml(decode_source("a.yaml", text.encode())[0])
    return set(_below(root.plain() if root is not None else None, granted=False))


def _below(value: Any, *, granted: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _below(part, granted=granted or key == "grantTo")
    elif isinstance(value, list):
        for part in value:
            yield from _below(part, granted=granted)
    elif granted:
        yield str(value)


def mended(compiled: Compile, text: str, beside: dict[str, bytes] | None = None) -> str:
    def check(text: str) -> Checked:
        one = compiled(text, beside=beside)
        return Checked(one.source, one.diagnostics, plan_digest(one.plan) if one.plan else None)

    return fix(check(text), check, unsafe=True).checked.source.text


def hold(before: str, after: str) -> None:
    assert grants(after) <= grants(before)
    assert set(READS.findall(after)) <= set(READS.findall(before))


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.number)
def test_no_fix_of_an_example_grants_anything(code: Code, compiled: Compile) -> None:
    example = example_of(code)
    if example.kind != "capsule" or code.name in {"not-utf-8", "document-too-large"}:
        return
    text = example.document("fails").decode()
    hold(text, mended(compiled, text, {path.name: path.read_bytes() for path in example.beside("fails")}))


def test_no_fix_of_many_mistakes_grants_anything(compiled: Compile, repository: Path) -> None:
    text = (repository / "tests/compile/forty_mistakes.capsule.yaml").read_text(encoding="utf-8")
    hold(text, mended(compiled, text))


@pytest.mark.parametrize("granted", ["[repo]", "[repo, tset]", "[Test]", "[test-it]", "[repo,\n      tst]", "repo"])
@pytest.mark.parametrize("read", ["git_token", "GITHUB_TOKEN", "git_tokn", "gitToken"])
def test_a_secret_that_is_not_granted_stays_so(granted: str, read: str, compiled: Compile) -> None:
    text = (
        HEAD
        + f"""\
  uses:
    tools: {{ repo: ./repo.yaml }}
    secrets: {{ git_token: {{ secret: git-writer, key: token, grantTo: {granted} }} }}
  steps:
    test: {{ script: {{ run: make, env: {{ TOKEN: "${{{{ secrets.{read} }}}}" }} }} }}
    test_it: {{ script: {{ run: make }} }}
"""
    )
    after = mended(compiled, text)
    hold(text, after)
    assert compiled(after).plan is None
