"""The help about what may not be there can be typed as it stands, where it stands, and is the way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

Compile = Callable[..., Any]

HEAD = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  inputs:
    flag: { type: boolean }
    open: { type: object }
    names: { type: array, maxItems: 3, items: { type: string } }
    part: { $ref: "#/types/Part" }
  types:
    Part: { type: object, required: [os], properties: { os: { type: string }, size: { type: integer } } }
  steps:
    a:
      if: inputs.flag
      script: { run: a }
      outputs:
        text: { type: string }
        count: { type: integer }
        ratio: { type: number }
        sure: { type: boolean }
        list: { type: array, maxItems: 3, items: { type: string } }
        part: { $ref: "#/types/Part" }
        map: { type: object }
        file: { type: artifact, path: a }
    many: { if: inputs.flag, forEach: "${{ inputs.names }}", script: { run: a }, outputs: { commit: { type: string } } }
    last:
"""
ENV = "      script: { run: a, env: { A: VALUE } }\n"
BLOCK = "      script:\n        run: a\n        env:\n          A: VALUE\n"


def hole(text: str, quote: str = '"') -> str:
    return f"{quote}${{{{ {text} }}}}{quote}"


def typed(compiled: Compile, text: str) -> tuple[str, Any]:
    """The text after what the help shows has been typed in place of the read, or of the whole value."""
    (one,) = compiled(text).diagnostics
    shown = re.match(r"write `(.*?)`(?:, or|$)", one.help)
    assert shown is not None, one.help
    lines = text[: one.span.start].count("\n")
    line = text.split("\n")[lines]
    column = one.span.start - text.rfind("\n", 0, one.span.start) - 1
    if shown[1].startswith(('"', "'")) or "${{" in shown[1]:
        mended = line[: line.index(": ", 0, column) + 2] + shown[1]
    else:
        start = max(line.rfind(word, 0, column + 1) for word in ("steps.", "inputs."))
        read = re.match(r"(steps|inputs)(\.\w+)+", line[start:])
        assert read is not None
        end = start + read.end()
        if line[end : end + 1] == "(":  # of a macro or a method, which is called on what is read
            end = line.rindex(".", start, end)
        mended = line[:start] + shown[1] + line[end:]
    result = text.split("\n")
    result[lines] = mended
    return "\n".join(result), compiled("\n".join(result)).diagnostics


@pytest.mark.parametrize(
    "step",
    [
        *(ENV.replace("VALUE", hole(f"steps.a.{name}")) for name in ("text", "count", "ratio", "sure", "list", "map")),
        *(BLOCK.replace("VALUE", hole(f"steps.a.{name}", "")) for name in ("text", "count", "list", "part")),
        ENV.replace("VALUE", hole("steps.a.part.os", "'")),
        ENV.replace("VALUE", hole("steps.a.part", "'")),
        ENV.replace("VALUE", hole("steps.a.text", "'")),
        ENV.replace("VALUE", hole("steps.a.map.deep.thing")),
        ENV.replace("VALUE", hole("steps.many.map(m, m.commit)")),
        BLOCK.replace("VALUE", hole("steps.many.map(m, m.commit)", "")),
        BLOCK.replace("VALUE", "it is ${{ steps.a.count }} and ${{ inputs.flag }}"),
        BLOCK.replace("VALUE", "|\n            it is ${{ steps.a.count }} and\n            more"),
        ENV.replace("VALUE", hole("steps.a.count + 1")),
        ENV.replace("VALUE", hole("inputs.part.size")),
        BLOCK.replace("VALUE", hole("inputs.part.size > 3", "")),
        "      if: steps.a.sure\n      script: { run: a }\n",
        "      require: steps.a.count > 3\n      script: { run: a }\n",
        "      forEach: ${{ steps.a.list }}\n      script: { run: a }\n",
    ],
)
def test_what_the_help_shows_is_the_way_out(step: str, compiled: Compile) -> None:
    mended, found = typed(compiled, HEAD + step)
    assert found == (), mended


def test_only_an_artifact_can_stand_for_an_artifact(compiled: Compile) -> None:
    (one,) = compiled(HEAD + ENV.replace("VALUE", hole("steps.a.file"))).diagnostics
    assert one.help == (
        "only another artifact can stand for it: `has(steps.a.file) ? steps.a.file : steps.OTHER.ARTIFACT`,"
        " or give this step the same `if`"
    )


def test_a_final_step_with_a_condition_is_not_told_to_have_one(compiled: Compile) -> None:
    text = HEAD.replace("      if: inputs.flag\n", "").replace("    last:\n", "  finally:\n    last:\n")
    (one,) = compiled(text + "      if: steps.a.sure\n      script: { run: a }\n").diagnostics
    assert one.help == 'write `"has(steps.a.sure) ? steps.a.sure : false"`'
