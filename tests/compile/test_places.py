"""A mistake is marked exactly, whatever the YAML around it looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somagent.governance.documents import Position

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n"
STYLES = {
    "plain": "VALUE: a ${{ inputs.nam }} b\n",
    "plain, folded": "VALUE: a\n            b\n\n            ${{ inputs.nam }}\n",
    "single quotes": "VALUE: 'it''s ${{ inputs.nam }}'\n",
    "single quotes, folded": "VALUE: 'a\n            b\n\n            ${{ inputs.nam }}'\n",
    "double quotes": 'VALUE: "a\\t\\"\\u00e9\\U0001F600 ${{ inputs.nam }}"\n',
    "double quotes, folded": 'VALUE: "a\n            b\n\n            \\\n            ${{ inputs.nam }}"\n',
    "literal": "VALUE: |\n            a\n              ${{ inputs.nam }}\n            b\n",
    "literal, stripped": "VALUE: |-\n            ${{ inputs.nam }}",
    "literal, indented by two": "VALUE: |2+\n                ${{ inputs.nam }}\n\n",
    "folded": "VALUE: >\n            a\n            b\n\n            ${{ inputs.nam }} c\n",
    "folded, with deeper lines": "VALUE: >-\n            a\n              deeper\n            ${{ inputs.nam }}\n",
    "wide characters": "VALUE: 漢字 😀 é ${{ inputs.nam }}\n",
    "after a tab": "VALUE: 'a\t\t${{ inputs.nam }}'\n",
    "in a flow": "MORE: { VALUE: \"${{ inputs.nam }}\", OTHER: [1, 'x'] }\n",
    "over several lines": "VALUE: |\n            ${{\n              inputs\n                .nam\n            }}\n",
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("style", STYLES)
def test_a_name_in_an_expression(style: str, mark: str, line_end: str, compiled: Callable[..., Any]) -> None:
    text = HEAD + "  inputs: { name: { type: string } }\n"
    text += "  steps:\n    a:\n      script:\n        run: x\n        env:\n          "
    text = mark + (text + STYLES[style]).replace("\n", line_end)
    compilation = compiled(text)
    (mistake,) = compilation.diagnostics
    read = text.removeprefix(mark)
    assert read[mistake.span.start : mistake.span.end] == "nam"
    before = read[: mistake.span.start]
    assert compilation.source.position(mistake.span.start) == Position(
        before.count("\n") + 1, len(before) - before.rfind("\n")
    )
    assert read[mistake.edit.span.start : mistake.edit.span.end] == "nam"


@pytest.mark.parametrize(
    "value", ["'inputs.nam'", '"inputs.nam"', "inputs.nam", "|\n          inputs.nam\n", ">-\n          inputs.nam"]
)
def test_a_name_in_a_bare_expression(value: str, compiled: Callable[..., Any]) -> None:
    text = HEAD + f"  steps:\n    a:\n      script: {{ run: x }}\n      if: {value}\n"
    (mistake,) = compiled(text).diagnostics
    assert (mistake.name, text[mistake.span.start : mistake.span.end]) == ("unknown-input", "nam")


@pytest.mark.parametrize(
    ("expression", "marked"),
    [
        ("inputs.count + 'a'", "+"),
        ("inputs.count.x", "x"),
        ("has(inputs.nam)", "nam"),
        ("[1, 2].map(x, y)", "y"),
        ("inputs['nam']", "'nam'"),
        ("inputs.count +", '"'),
        ("siz(inputs.count)", "siz"),
        ("inputs.count == 1 ? 'a' : 2", "2"),
    ],
)
def test_the_part_of_an_expression_that_is_wrong(expression: str, marked: str, compiled: Callable[..., Any]) -> None:
    text = HEAD + "  inputs: { count: { type: integer } }\n"
    text += f'  steps: {{ a: {{ script: {{ run: x, env: {{ A: "${{{{ {expression} }}}}" }} }} }} }}\n'
    (mistake,) = compiled(text).diagnostics
    found = text[mistake.span.start : mistake.span.end]
    assert found == (marked if marked != '"' else "}")


def test_an_escaped_brace_is_text(compiled: Callable[..., Any]) -> None:
    text = HEAD + "  steps: { a: { script: { run: x, env: { A: 'use $${{ run.id }} for the id ${{ run.id }}' } } } }\n"
    plan = compiled(text).plan
    (hole,) = plan.nodes[0].arguments.holes
    assert [part if isinstance(part, str) else part.cel for part in hole.text] == [
        "use ${{ run.id }} for the id ",
        "run.id",
    ]


def test_all_holes_of_a_text_are_read_although_some_are_wrong(compiled: Callable[..., Any]) -> None:
    text = HEAD + "  steps: { a: { script: { run: x, env: { A: '${{ }} ${{ 1 + }} ${{ nope }} ${{ run.id' } } } }\n"
    names = [one.name for one in compiled(text).diagnostics]
    assert names == ["empty-hole", "expression-syntax", "unknown-name", "unclosed-hole"]


LINES = st.lists(
    st.sampled_from(["echo a", "  deeper", "", "  ", "é 漢 😀 'it''s' \"x\"", "# no comment", "- |", "a: b"]),
    max_size=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=LINES,
    after=LINES,
    header=st.sampled_from(["|", ">", "|-", ">-", "|+", ">+", "|2", ">2-", "| # why", "> # why"]),
    around=st.sampled_from(["{}", "x {} y", "  {}", '"{}"']),
)
def test_what_is_marked_in_a_block_scalar_is_what_is_written_there(
    before: list[str], after: list[str], header: str, around: str, compiled: Callable[..., Any]
) -> None:
    hole, variable = "${{ inputs.nam }}", "GITHUB_SHA"
    lines = [*before, around.format(hole), *after, f"echo ${variable}"]
    if not lines[0].strip() or lines[0].startswith(" "):
        lines = ["first", *lines]  # the first line with text says how far all are indented
    text = HEAD + "  steps:\n    a:\n      script:\n        run: " + header + "\n"
    text += "".join(f"          {line}\n" if line else "\n" for line in lines)
    for written in (text, text.replace("\n", "\r\n")):
        found = compiled(written).diagnostics
        assert {(one.name, written[one.span.start : one.span.end]) for one in found} == {
            ("no-expression-here", hole),
            ("github-variable", variable),
        }


@pytest.mark.parametrize("header", ["|", ">-", "|2 # why"])
def test_of_a_whole_block_scalar_its_text_is_marked(header: str, compiled: Callable[..., Any]) -> None:
    text = (
        HEAD + f"  steps:\n    a:\n      script: {{ run: x }}\n      timeout: {header}\n        soon\n        enough\n"
    )
    (mistake,) = compiled(text).diagnostics
    assert text[mistake.span.start : mistake.span.end] == "soon\n        enough"
