"""The list of codes and the modules that report mistakes know the same names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from somagent.capsule_compiler.diagnostics import CODES, code_of
from somagent.capsule_compiler.diagnostics.explain import UnknownCode, explain
from somagent.governance.cel import FAULTS as CEL_FAULTS
from somagent.governance.cel import Field, ObjectType
from somagent.governance.constitution import FAULTS as CONSTITUTION_FAULTS
from somagent.governance.documents.shape_check import FAULTS as SHAPE_FAULTS
from somagent.governance.documents.yaml_reader import FAULTS as YAML_FAULTS
from somagent.workflows.testing.checks import FAULTS as TEST_FAULTS

# What is called with a name of a fault first.
REPORTERS = {"Diagnostic", "_report", "_fault", "report", "fault", "Fault", "Unsolvable"}
LISTED = CEL_FAULTS | CONSTITUTION_FAULTS | SHAPE_FAULTS | TEST_FAULTS | YAML_FAULTS
NAMES = {code.name for code in CODES}


def trees(repository: Path) -> Iterator[ast.AST]:
    for part in ("governance", "capsule_compiler", "workflows/testing"):
        for path in (repository / part).rglob("*.py"):
            yield ast.parse(path.read_text(encoding="utf-8"))


def reported(tree: ast.AST) -> Iterator[str]:
    """The names that calls of a reporter give, and those that object types bring for an unknown member."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        where = node.args[:1] if called in REPORTERS else node.args[3:4] if called == "ObjectType" else []
        where += [keyword.value for keyword in node.keywords if called == "ObjectType" and keyword.arg == "fault"]
        yield from (one.value for one in where if isinstance(one, ast.Constant) and isinstance(one.value, str))


def test_every_name_that_is_reported_has_a_code_and_every_code_is_reported(repository: Path) -> None:
    found = {name for tree in trees(repository) for name in reported(tree)}
    found |= LISTED | {"too-many-mistakes"}
    default_member_fault = ObjectType({"a": Field(ObjectType({}))}).fault
    assert found | {default_member_fault} == NAMES


def test_a_code_is_found_by_number_in_any_case_and_by_name() -> None:
    assert code_of("CAP203") == code_of("cap203") == code_of("unknown-output")
    with pytest.raises(KeyError):
        code_of("CAP999")


def test_explaining_takes_number_or_name_and_shows_the_example() -> None:
    assert explain("203") == explain("cap203") == explain("unknown-output")
    text = explain("CAP203").text
    assert "error[CAP203]: step `test` has no output `covrage`" in text
    assert "require: steps.test.covrage >= 0.7" in text
    assert "require: steps.test.coverage >= 0.7" in text


@pytest.mark.parametrize("code", [code.number for code in CODES])
def test_every_code_can_be_explained(code: str) -> None:
    explained = explain(code)
    assert explained.text.startswith(f"{code} {explained.name} ({explained.severity})\n\n{explained.meaning}\n")
    assert explained.fails != explained.fixed or explained.beside_fails != explained.beside_fixed
    assert max(map(len, explained.text.splitlines())) <= 400


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("unknown-ouput", "did you mean `unknown-output`?"),
        ("CAP1111", "did you mean `CAP111`?"),
        ("nothing-like-it", "`somagent explain` lists all"),
    ],
)
def test_an_unknown_code_is_answered_with_the_nearest_one(asked: str, answer: str) -> None:
    with pytest.raises(UnknownCode, match=r"there is no code") as refused:
        explain(asked)
    assert answer in str(refused.value)


def test_a_large_example_says_how_large(repository: Path) -> None:
    assert "Line 6 of fails.capsule.yaml stands for 5,001 such lines." in explain("CAP111").text
