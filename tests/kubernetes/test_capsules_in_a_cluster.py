"""What the compiler accepts an API server accepts too, and what the server can know to be wrong it refuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from somagent.capsule_compiler.diagnostics import CODES, Code
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.governance.documents import decode_source, read_yaml

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]
REPOSITORY = Path(__file__).parents[2]
EXAMPLES = [code for code in CODES if example_of(code).kind == "capsule"]
REFUSED = Path(__file__).parent / "refused.txt"
GOOD = sorted(
    [
        *REPOSITORY.glob("workflows/library/*/*.capsule.yaml"),
        *REPOSITORY.glob("cli/templates/*.capsule.yaml"),
        *(example_of(code).folder / "fixed.capsule.yaml" for code in EXAMPLES),
    ]
)


def dry_run(kubectl: Kubectl, *files: Path) -> tuple[str, str]:
    """What the server says of files as they are: kubectl reads their YAML, and unknown fields are errors."""
    names = [part for file in files for part in ("-f", str(file))]
    done = kubectl("create", "--dry-run=server", "--validate=strict", "-o", "name", *names)
    return done.stdout, done.stderr


def test_the_server_finds_the_schema_structural_and_the_rules_cheap_enough(kubectl: Kubectl) -> None:
    conditions = json.loads(kubectl("get", "crd", "capsules.somagent.io", "-o", "json").stdout)["status"]["conditions"]
    assert {one["type"]: one["status"] for one in conditions} == {"NamesAccepted": "True", "Established": "True"}


def test_the_server_accepts_every_good_capsule(kubectl: Kubectl) -> None:
    out, err = dry_run(kubectl, *GOOD)
    assert err == ""
    assert len(out.splitlines()) == len(GOOD)


def test_the_server_refuses_what_it_can_know_to_be_wrong(
    kubectl: Kubectl, golden: Callable[[Path, str], None], tmp_path: Path
) -> None:
    """The golden file names each code whose example the server refuses."""
    golden(REFUSED, "".join(_refusal(kubectl, code, tmp_path) for code in EXAMPLES))


def _refusal(kubectl: Kubectl, code: Code, folder: Path) -> str:
    file = folder / f"{code.number}.yaml"
    file.write_bytes(example_of(code).document("fails"))
    _, err = dry_run(kubectl, file)
    return f"{code.number} {code.name}\n" if err else ""


def test_a_step_id_that_expressions_could_not_name_is_refused_in_words(kubectl: Kubectl, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\n"
        "spec: { steps: { run-tests: { script: { run: make test } } } }\n"
    )
    _, err = dry_run(kubectl, file)
    assert "a name here is a step id like `run_tests`" in err


def test_a_step_with_two_operators_is_refused_with_a_sentence(kubectl: Kubectl) -> None:
    _, err = dry_run(kubectl, example_of(_code("several-operators")).folder / "fails.capsule.yaml")
    assert "exactly one key says what the step does" in err


def test_a_field_that_does_not_exist_is_refused_by_name(kubectl: Kubectl) -> None:
    _, err = dry_run(kubectl, example_of(_code("unknown-field")).folder / "fails.capsule.yaml")
    assert "unknown field" in err


@pytest.mark.parametrize("file", sorted(REPOSITORY.glob("workflows/library/*/*.capsule.yaml")), ids=lambda f: f.stem)
def test_a_capsule_comes_back_from_the_server_as_it_was_applied(kubectl: Kubectl, file: Path) -> None:
    applied = kubectl("apply", "-f", str(file), "-o", "json")
    assert applied.returncode == 0, applied.stderr
    root, mistakes = read_yaml(decode_source(file.name, file.read_bytes())[0])
    assert root is not None, mistakes
    assert json.loads(applied.stdout)["spec"] == root.plain()["spec"]


def test_kubectl_lists_capsules_with_package_and_version(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", str(next(REPOSITORY.glob("workflows/library/repo-health/*.capsule.yaml"))))
    head, line, *_ = kubectl("get", "capsules").stdout.splitlines()
    assert head.split() == ["NAME", "PACKAGE", "VERSION", "BUDGET", "AGE"]
    assert line.split()[:2] == ["repo-health", "soma/repo-health"]


def test_kubectl_explains_each_field_of_a_step_in_words(kubectl: Kubectl) -> None:
    shown = kubectl("explain", "capsule.spec.steps").stdout
    assert "Exactly one key says which operator it is" in " ".join(shown.split())
    fields = shown.partition("FIELDS:\n")[2].rstrip("\n").split("\n\n")
    assert {"needs", "if", "require", "forEach", "script", "review", "budget"} <= {one.split()[0] for one in fields}
    assert [one for one in fields if len(one.splitlines()) < 2] == []  # a field's name and type without a word


def _code(name: str) -> Code:
    return next(code for code in CODES if code.name == name)
