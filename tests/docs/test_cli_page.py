"""The page about the command line lists what there is: commands, exit codes, variables and fields."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_page import commands, put_in
from pages import DOCS, EXAMPLES, REPOSITORY, read_session

from somagent.cli.exits import Exit

PAGE = DOCS / "cli.md"
OF_THE_EXAMPLE = {"names", "greeting", "sent", "greet", "agree", "send", "file"}


def test_every_command_is_listed_with_its_arguments(request: pytest.FixtureRequest) -> None:
    page = PAGE.read_text(encoding="utf-8")
    fresh = put_in(page, commands())
    if request.config.getoption("--write-goldens"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == fresh, "stale; pytest --write-goldens writes it"


def test_every_exit_code_is_listed() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == sorted(map(int, Exit))


def test_every_variable_that_is_read_is_listed() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Environment")[2].partition("\n## ")[0]
    workflows = REPOSITORY / "workflows"
    files = [*(REPOSITORY / "cli").rglob("*.py"), *workflows.glob("*.py"), *(workflows / "telemetry").glob("*.py")]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    read = set(re.findall(r"env(?:iron|ironment)?(?:\.get\(|\[)\"(\w+)\"", code))
    of_opentelemetry = {name for name in read if name.startswith("OTEL_")}  # in one line, and on a page of their own
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == read - of_opentelemetry
    assert of_opentelemetry


def test_every_field_that_is_printed_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    printed: set[str] = set()
    for path in sorted((EXAMPLES / "cli").glob("*.session")):
        printed |= _fields(path)
    assert printed - OF_THE_EXAMPLE - explained == set()
    assert {"waiting", "decisions", "onTimeout", "failure", "class", "items", "digest"} <= printed


def _fields(path: Path) -> set[str]:
    texts = [step.printed for step in read_session(path.read_text(encoding="utf-8"))]
    return {key for text in texts for key in _keys(_json(text))}


def _json(text: str) -> Any:
    return json.JSONDecoder().raw_decode(text)[0] if text.startswith(("{", "[")) else None


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()
