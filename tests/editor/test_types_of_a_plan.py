"""`somagent plan --types` and `somagent schema --install`, as people use them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
from somagent_shell import Shell

DEMO = Path(__file__).parent / "demo.capsule.yaml"
REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "capsule_compiler" / "diagnostics" / "examples"


def test_every_type_is_listed_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "demo.capsule.yaml").write_bytes(DEMO.read_bytes())
    shell = Shell(tmp_path)
    ended = shell("plan", "demo.capsule.yaml", "--types", "--output", "json")
    assert ended.code == 0, ended.err
    lines = {(one["kind"], one["name"]): one["type"] for one in ended.json}
    assert lines["input", "inputs.paths"] == "list(string)"
    assert lines["item", "path"] == "string"
    assert lines["output", "steps.scan[*].found"] == "list({name: string})"
    assert lines["expression", "inputs.deep && steps.scan.exists(s, s.count > 0)"] == "bool"
    assert lines["capsule output", "counts"] == "list(int)"
    assert next(one for one in ended.json if one["name"] == "inputs.deep")["line"] == 7
    shown = shell("plan", "demo.capsule.yaml", "--types").out
    assert "17:11" in shown
    assert "list(list(string))" in shown


def test_a_capsule_with_mistakes_has_no_types_but_mistakes(tmp_path: Path) -> None:
    text = DEMO.read_text(encoding="utf-8").replace("s.count > 0", "s.coumt > 0")
    (tmp_path / "demo.capsule.yaml").write_text(text, encoding="utf-8")
    ended = Shell(tmp_path)("plan", "demo.capsule.yaml", "--types")
    assert ended.code == 1
    assert "CAP203" in ended.err


def test_the_schema_is_installed_for_editors_and_says_where_it_goes(tmp_path: Path) -> None:
    ended = Shell(tmp_path)("schema", "--install")
    assert ended.code == 0
    assert "# yaml-language-server: $schema=./.somagent/capsule.schema.json" in ended.out
    schema = json.loads((tmp_path / ".somagent" / "capsule.schema.json").read_text(encoding="utf-8"))
    step = schema["$defs"]["Step"]
    bodies = {key: one["body"][key] for one in step["defaultSnippets"] for key in one["body"]}
    assert bodies["script"] == {"run": "$1"}
    assert {required["required"][0] for required in step["oneOf"]} >= {*bodies, "operator"}
    undescribed = [name for name, part in step["properties"].items() if not _described(part, schema)]
    assert undescribed == []


def test_the_installed_schema_takes_good_capsules_and_refuses_those_with_mistakes_of_form(tmp_path: Path) -> None:
    import yaml

    Shell(tmp_path)("schema", "--install")
    schema = json.loads((tmp_path / ".somagent" / "capsule.schema.json").read_text(encoding="utf-8"))
    valid = jsonschema_rs.validator_for(schema)
    good = [*REPOSITORY.glob("workflows/library/*/*.capsule.yaml"), DEMO, *REPOSITORY.glob("cli/templates/*.yaml")]
    assert len(good) > 4
    refused = {
        path.name: [error.message for error in valid.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))]
        for path in good
    }
    assert {name: errors for name, errors in refused.items() if errors} == {}
    for code in ("CAP101-unknown-field", "CAP102-missing-field", "CAP103-wrong-type"):
        (wrong,) = EXAMPLES.glob(f"{code}/fails.capsule.yaml")
        assert not valid.is_valid(yaml.safe_load(wrong.read_text(encoding="utf-8"))), code
    two = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    two["spec"]["steps"]["sum"]["policy"] = {"input": {}}
    assert not valid.is_valid(two), "a step has one operator"


def test_the_installed_schema_of_tests_takes_good_files_and_refuses_those_with_mistakes_of_form(tmp_path: Path) -> None:
    import yaml

    assert "$schema=../.somagent/test.schema.json" in Shell(tmp_path)("schema", "--install").out
    schema = json.loads((tmp_path / ".somagent" / "test.schema.json").read_text(encoding="utf-8"))
    assert schema == json.loads(Shell(tmp_path)("schema", "test").out)
    valid = jsonschema_rs.validator_for(schema)
    good = [*REPOSITORY.glob("cli/templates/tests/*.yaml"), *EXAMPLES.glob("CAP82*/fixed.test.yaml")]
    good += REPOSITORY.glob("docs/examples/testing/tests/*.yaml")
    assert len(good) > 12
    documents = {path: yaml.safe_load(path.read_text(encoding="utf-8")) for path in good}
    refused = {str(path): [one.message for one in valid.iter_errors(text)] for path, text in documents.items()}
    assert {name: errors for name, errors in refused.items() if errors} == {}
    for part in schema["$defs"].values():
        fields = part.get("properties", {}).items()
        assert [name for name, field in fields if not _told(field, schema)] == [], part["title"]
    minimal = documents[REPOSITORY / "cli" / "templates" / "tests" / "minimal.yaml"]
    for wrong in (
        {"answer": {}},
        {"expect": {"phase": "Done"}},
        {"timeout": "long"},
        {"answers": {"greet": {"outputs": {}, "failure": {"class": "error"}}}},
        {"answers": {"greet": {"failure": {"class": "broken"}}}},
    ):
        case = {**minimal["spec"]["cases"][0], **wrong}
        assert not valid.is_valid({**minimal, "spec": {"cases": [case]}}), wrong


def _told(field: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether a field is described, or is of a part that is, or has one value only."""
    parts = [field, *field.get("anyOf", ())]
    return any(_described(part, schema) or len(part.get("enum", ())) == 1 for part in parts)


def _described(part: dict[str, str], schema: dict[str, dict[str, dict[str, str]]]) -> bool:
    name = part.get("$ref", "").rpartition("/")[2]
    return bool(part.get("description") or schema["$defs"].get(name, {}).get("description"))


def test_the_settings_on_the_page_can_be_read_and_name_what_there_is(tmp_path: Path) -> None:
    folder = REPOSITORY / "docs" / "examples" / "editor"
    Shell(tmp_path)("schema", "--install")
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))["yaml.schemas"]
    assert all((tmp_path / name).is_file() for name in settings)
    assert set(settings.values()) == {"*.capsule.yaml", "tests/*.yaml"}
    server = tomllib.loads((folder / "languages.toml").read_text(encoding="utf-8"))["language-server"]["somagent"]
    assert [server["command"], *server["args"]] == ["somagent", "lsp"]
    assert 'cmd = { "somagent", "lsp" }' in (folder / "init.lua").read_text(encoding="utf-8")
