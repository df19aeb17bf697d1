"""The committed JSON Schemas are those of the models, and accept what the compiler accepts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from somagent.capsule_compiler.catalogue import Catalogue, OperatorEntry
from somagent.capsule_compiler.crd import capsule_crd
from somagent.capsule_compiler.diagnostics import CODES, Code
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.capsule_compiler.language import Language, prepare_language
from somagent.capsule_compiler.plan import Plan, encode_plan
from somagent.capsule_compiler.schema import capsule_schema
from somagent.governance.documents import decode_source, model_schema, read_yaml, write_yaml
from somagent.governance.documents.resolve import other_meaning
from somagent.operators.registry import load_operators
from somagent.workflows.testing.schema import test_schema as schema_of_tests

Golden = Callable[[Path, str], None]
CAPSULES = [code for code in CODES if example_of(code).kind == "capsule"]
FORM = {"unknown-field", "missing-field", "wrong-type", "not-one-of", "not-in-form", "no-operator", "several-operators"}


def pretty(schema: Any) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def plain(content: bytes) -> Any:
    root, _ = read_yaml(decode_source("a.yaml", content)[0])
    assert root is not None
    return root.plain()


def test_the_committed_capsule_schema_is_that_of_the_core_operators(
    repository: Path, language: Language, golden: Golden
) -> None:
    golden(repository / "docs" / "reference" / "capsule.schema.json", pretty(language.schema))


def test_the_committed_kubernetes_definition_is_that_of_the_core_operators(
    repository: Path, language: Language, golden: Golden
) -> None:
    golden(repository / "charts" / "somagent" / "crds" / "capsule.yaml", write_yaml(capsule_crd(language.catalogue)))


def test_the_committed_plan_schema_is_that_of_the_model(repository: Path, golden: Golden) -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model_schema(Plan)}
    golden(repository / "docs" / "reference" / "plan.schema.json", pretty(schema))


def test_the_committed_schema_of_tests_is_that_of_the_model(repository: Path, golden: Golden) -> None:
    golden(repository / "docs" / "reference" / "test.schema.json", pretty(schema_of_tests()))


@pytest.mark.parametrize("code", CAPSULES, ids=lambda code: code.number)
def test_the_schema_accepts_every_fixed_example(code: Code, language: Language) -> None:
    document = plain(example_of(code).document("fixed"))
    assert [error.message for error in jsonschema_rs.Draft202012Validator(language.schema).iter_errors(document)] == []


@pytest.mark.parametrize("code", [code for code in CAPSULES if code.name in FORM], ids=lambda code: code.number)
def test_the_schema_refuses_what_the_compiler_refuses_for_its_form(code: Code, language: Language) -> None:
    document = plain(example_of(code).document("fails"))
    assert not jsonschema_rs.Draft202012Validator(language.schema).is_valid(document)


def test_a_plan_is_what_its_schema_says(compiled: Callable[..., Any]) -> None:
    example = example_of(next(code for code in CODES if code.name == "read-of-skippable"))
    plan = compiled(example.document("fixed")).plan
    jsonschema_rs.Draft202012Validator(model_schema(Plan)).validate(json.loads(encode_plan(plan)))


def test_every_field_that_authors_write_says_what_it_is_for(language: Language) -> None:
    silent = [
        f"{title}.{name}"
        for title, definition in language.schema["$defs"].items()
        for name, field in definition.get("properties", {}).items()
        if "description" not in field and "$ref" not in field
    ]
    assert silent == []


def test_an_operator_of_another_package_is_no_key_of_a_step() -> None:
    entry = OperatorEntry(name="words", summary="Count words", arguments={"type": "object", "properties": {}})
    catalogue = Catalogue({**load_operators(search=[]).catalogue.operators, "words": entry})
    assert "words" not in capsule_schema(catalogue)["$defs"]["Step"]["properties"]
    assert "words" in prepare_language(catalogue).arguments


def test_schemas_are_the_same_on_every_python_whatever_it_does_with_docstrings() -> None:
    def descriptions(part: Any) -> list[str]:
        if isinstance(part, list):
            return [text for item in part for text in descriptions(item)]
        if not isinstance(part, dict):
            return []
        own = [part["description"]] if isinstance(part.get("description"), str) else []
        return own + [text for item in part.values() for text in descriptions(item)]

    arguments = load_operators().catalogue.operators["script"].arguments
    texts = descriptions(model_schema(Plan)) + descriptions(arguments)
    assert any("\n" in text for text in texts)
    assert not any("\n    " in text or text != text.strip() for text in texts)


def parts(schema: Any) -> Iterator[Any]:
    yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(inner)


def test_no_field_and_no_value_of_ours_is_read_in_two_ways(language: Language) -> None:
    """Kubectl reads YAML 1.1, where `on` or `y` is a boolean, also as a key."""
    for part in parts(capsule_schema(language.catalogue)):
        if isinstance(part, dict):
            names = [*part.get("properties", {}), *(one for one in part.get("enum", ()) if isinstance(one, str))]
            assert [name for name in names if other_meaning(name)] == []


def test_there_is_no_choice_between_kinds_of_value(language: Language) -> None:
    """CRD schemas cannot say it: https://kubernetes.io/docs/tasks/extend-kubernetes (structural schemas)."""
    choices = [part for part in parts(capsule_schema(language.catalogue)) if isinstance(part, dict)]
    assert [part for part in choices if "anyOf" in part or isinstance(part.get("type"), list)] == []
    assert [part["title"] for part in choices if "oneOf" in part] == ["Step"]


def test_in_an_editor_an_expression_may_stand_for_every_argument_that_is_evaluated(language: Language) -> None:
    capsule = {
        "apiVersion": "somagent.io/v1alpha1",
        "kind": "Capsule",
        "metadata": {"name": "a"},
        "spec": {
            "steps": {
                "a": {"review": {"title": "a", "reviewers": {"count": "${{ inputs.n }}", "users": "${{ inputs.u }}"}}},
                "b": {"script": {"run": "a", "env": "${{ inputs.env }}"}},
                "c": {"bundle": {"name": "a", "include": ["${{ steps.d.e }}"]}},
            }
        },
    }
    validator = jsonschema_rs.Draft202012Validator(language.schema)
    assert [error.message for error in validator.iter_errors(capsule)] == []
    for wrong in ({"review": {"title": "a", "reviewers": {"count": "many"}}}, {"script": {"run": "a", "shell": "zsh"}}):
        steps = {"a": wrong}
        assert not validator.is_valid({**capsule, "spec": {"steps": steps}})
