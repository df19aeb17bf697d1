"""A suggested edit, applied, leaves text that can be read and the mistake gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from somagent.capsule_compiler.diagnostics import CODES, Code
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.governance.constitution import default_constitution, load_constitution
from somagent.governance.documents import Edit, decode_source, read_yaml
from somagent.workflows.capsules import this_installation
from somagent.workflows.testing.reading import read_test

MOST = 100


def applied(text: str, edit: Edit) -> str:
    return text[: edit.span.start] + edit.text + text[edit.span.end :]


def mend(text: str, diagnose: Callable[[str], Any], name: str) -> tuple[str, int]:
    """Applies the edits of one code until there are none; the text then, and how many there were."""
    for count in range(MOST):
        edits = [one.edit for one in diagnose(text) if one.name == name and one.edit is not None]
        if not edits:
            return text, count
        text = applied(text, edits[0])
        root, found = read_yaml(decode_source("a.yaml", text.encode())[0])
        assert root is not None, found
    raise AssertionError("the edits never end")


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.number)
def test_the_edits_of_an_example_mend_it(
    code: Code, compiled: Callable[..., Any], check_example: Callable[..., Any]
) -> None:
    """So it is with every example that has edits; that most kinds of mistakes in names have one is tested below."""
    if not any(one.edit and one.name == code.name for one in check_example(code, "fails")[1]):
        return
    example = example_of(code)
    beside = {path.name: path.read_bytes() for path in example.beside("fails")}

    def diagnose(text: str) -> Any:
        if example.kind == "constitution":
            return load_constitution(decode_source("a.yaml", text.encode())[0])[1]
        if example.kind == "test":
            path = example.folder / example.name("fails")
            return read_test(path, text.encode(), this_installation(), default_constitution()).diagnostics
        return compiled(text, beside=beside).diagnostics

    text, count = mend(example.document("fails").decode(), diagnose, code.name)
    assert count > 0
    assert code.name not in {one.name for one in diagnose(text)}


@pytest.mark.parametrize("name", ["unknown-step", "unknown-output", "unknown-input", "yaml-ambiguous", "unknown-field"])
def test_what_is_likely_meant_is_an_edit(name: str, check_example: Callable[..., Any]) -> None:
    code = next(code for code in CODES if code.name == name)
    assert {one.name for one in check_example(code, "fails")[1] if one.edit} == {name}


def test_every_edit_of_forty_mistakes_takes_a_mistake_away(compiled: Callable[..., Any]) -> None:
    text = Path(__file__).with_name("forty_mistakes.capsule.yaml").read_text(encoding="utf-8")
    before = compiled(text).diagnostics
    said = {(one.name, one.message) for one in before}
    for one in before:
        if one.edit is not None:
            after = compiled(applied(text, one.edit)).diagnostics
            assert (one.name, one.message) not in {(other.name, other.message) for other in after}, one.message
            end = one.edit.span.start + len(one.edit.text)
            new = [other for other in after if (other.name, other.message) not in said]
            new = [other for other in new if other.name != "file-beside-missing"]  # there are no files here
            assert not [other for other in new if one.edit.span.start <= other.span.start < end], one.message


@pytest.mark.parametrize("quote", ["'", '"', "|-\n            ", ">-\n            ", ""])
@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("inputs.nam", "inputs.name"),
        ("inputs.count + 1.5", "double(inputs.count) + 1.5"),
        ("inputs.list.name", "inputs.list.map(x, x.name)"),
        ("'a' in inputs.name", "inputs.name.contains('a')"),
        ('"a" in inputs.name', 'inputs.name.contains("a")'),
        ("inputs.name = 'a\\\\'", "inputs.name == 'a\\\\'"),
    ],
)
def test_an_edit_is_written_in_the_style_of_its_scalar(
    quote: str, wrong: str, right: str, compiled: Callable[..., Any]
) -> None:
    def capsule(expression: str) -> str:
        hole = "${{ " + expression + " }}"
        if quote == "'":
            value = "'" + hole.replace("'", "''") + "'"
        elif quote == '"':
            value = '"' + hole.replace("\\", "\\\\").replace('"', '\\"') + '"'
        else:
            value = quote + hole
        return f"""\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: {{ name: a }}
spec:
  inputs:
    name: {{ type: string }}
    count: {{ type: integer }}
    list: {{ type: array, items: {{ type: object, required: [name], properties: {{ name: {{ type: string }} }} }} }}
  steps:
    step:
      script:
        run: a
        env:
          VALUE: {value}
"""

    (mistake,) = compiled(capsule(wrong)).diagnostics
    mended = applied(capsule(wrong), mistake.edit)
    assert mended == capsule(right)
    assert compiled(mended).diagnostics == ()
