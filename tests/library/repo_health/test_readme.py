"""The document beside the capsule names every check with its weight, every rule, and the formula that is used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from repo_health.checks import REGISTRY
from repo_health.score import FORMULA
from repo_health.secret_scan.rules import RULES

LIBRARY = Path(__file__).parents[3] / "workflows" / "library" / "repo-health"
TEXT = (LIBRARY / "README.md").read_text(encoding="utf-8")


def rules_in_source() -> set[str]:
    """Every constant that some `Finding(check, rule, ...)` has for its rule."""
    found = set()
    for path in (*LIBRARY.glob("repo_health/checks/*.py"), *LIBRARY.glob("repo_health/pins/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                found |= {
                    part.value
                    for part in ast.walk(node.args[1])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    return found


def test_every_check_has_a_section_with_its_weight():
    sections = dict(re.findall(r"^### (\w+): .*\((\d+)\)$", TEXT, re.MULTILINE))
    assert sections == {name: str(check.weight) for name, check in REGISTRY.items()}


def test_every_rule_is_explained():
    rules = rules_in_source()
    assert len(rules) > 50
    assert [rule for rule in sorted(rules) if f"`{rule}`" not in TEXT] == []


def test_the_formula_of_the_document_is_the_one_that_is_used():
    for line in FORMULA:
        assert line.split(" = ")[1] in TEXT


def test_the_number_of_token_forms_is_right():
    assert f"{len({rule.id for rule in RULES}) - 4} forms of credentials" in TEXT


def test_every_rule_of_the_constitution_is_explained():
    constitution = yaml.safe_load((LIBRARY / "constitution.yaml").read_text(encoding="utf-8"))
    for rule in constitution["spec"]["rules"]:
        assert f"`{rule['id']}`" in TEXT


def test_the_capsule_runs_the_checks_that_there_are():
    capsule = yaml.safe_load((LIBRARY / "repo-health.capsule.yaml").read_text(encoding="utf-8"))
    assert re.findall(r'"(\w+)"', capsule["spec"]["steps"]["checks"]["forEach"]) == list(REGISTRY)


@pytest.mark.parametrize("name", ["repo-health.capsule.yaml", "constitution.yaml"])
def test_links_of_the_document_lead_to_files(name):
    assert (LIBRARY / name).is_file()
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (LIBRARY / target).exists()
