"""The form of a capsule: what is sound is kept, what is not is said once and followed no further."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Mistakes = Callable[..., list[tuple[str, str]]]
STEPS = "  steps: { a: { "
RUN = STEPS + "script: { run: b }, "
OPEN = STEPS + "script: { run: b, "
STEP = STEPS + "script: { run: echo } } }\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[]", [("wrong-type", "[]")]),
        ("a", [("wrong-type", "a")]),
        ("a: 1\n", [("missing-field", "a"), ("unknown-field", "a")]),
        ("apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec: []\n", [("wrong-type", "[]")]),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: { steps: { a: { script: { run: b } } } }\n",
            [("not-one-of", "Pod")],
        ),
        (
            "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nspec: { steps: { a: { script: { run: b } } } }\n",
            [("missing-field", "apiVersion")],
        ),
    ],
)
def test_the_head_is_held_to_its_form(text: str, found: list[tuple[str, str]], compiled: Callable[..., Any]) -> None:
    compilation = compiled(text)
    source = compilation.source.text
    assert [(one.name, source[one.span.start : one.span.end]) for one in compilation.diagnostics] == found


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("  steps: {}\n", [("no-steps", "steps")]),
        ("  steps:\n", [("wrong-type", "")]),
        ("  steps: 3\n", [("wrong-type", "3")]),
        ("  description: a\n", [("missing-field", "description")]),
        ("  steps: { a: 3, b: , c: [] }\n", [("wrong-type", "3"), ("wrong-type", ""), ("wrong-type", "[]")]),
        ("  steps: { a: {} }\n", [("no-operator", "a")]),
        (STEPS + "timeout: 1m } }\n", [("no-operator", "a")]),
        (STEPS + "scirpt: { run: b } } }\n", [("unknown-field", "scirpt")]),
        (STEPS + "script: } }\n", [("wrong-type", "")]),
        (STEPS + "script: echo } }\n", [("wrong-type", "echo")]),
        (STEPS + "script: '${{ inputs.a }}' } }\n", [("no-expression-here", "'${{ inputs.a }}'")]),
        (STEPS + "script: {} } }\n", [("missing-field", "{}")]),
        (STEPS + "script: { run: '' } } }\n", [("out-of-range", "''")]),
        (STEPS + "script: { run: 7 } } }\n", [("wrong-type", "7")]),
        (OPEN + "shel: bash } } }\n", [("unknown-field", "shel")]),
        (RUN + "policy: {} } }\n", [("several-operators", "policy")]),
        ("  steps: { A: { script: { run: b } } }\n", [("not-in-form", "A")]),
        ("  steps: { a-b: { script: { run: b } } }\n", [("not-in-form", "a-b")]),
        (RUN + "timeout: soon } }\n", [("not-in-form", "soon")]),
        (RUN + "timeout: '${{ inputs.t }}' } }\n", [("no-expression-here", "${{ inputs.t }}")]),
        (RUN + "timeout: 0m } }\n", [("out-of-range", "0m")]),
        (RUN + "maxParallel: 0, forEach: '${{ [1] }}' } }\n", [("out-of-range", "0")]),
        (RUN + "retry: { attempts: '2' } } }\n", [("wrong-type", "'2'")]),
        (RUN + "retry: { failures: [denied] } } }\n", [("not-one-of", "denied")]),
        (RUN + "needs: a } }\n", [("wrong-type", "a")]),
        (OPEN + "env: { '${{ inputs.x }}': 1 } } } }\n", [("no-expression-here", "'${{ inputs.x }}'")]),
        (OPEN + "env: { LD_PRELOAD: x } } } }\n", [("not-in-form", "LD_PRELOAD")]),
        (OPEN + "include: '${{ inputs.x }}' } } }\n", [("no-expression-here", "${{ inputs.x }}")]),
        (OPEN + "include: ['${{ inputs.x }}'] } } }\n", [("no-expression-here", "${{ inputs.x }}")]),
        (STEPS + "operator: { name: nope } } }\n", [("unknown-operator", "nope")]),
        (STEPS + "operator: { with: {} } } }\n", [("missing-field", "with")]),
        (STEPS + "operator: { name: script } } }\n", [("missing-field", "{ name: script }")]),
        (STEPS + "operator: { name: script, with: { run: 1 } } } }\n", [("wrong-type", "1")]),
        (STEPS + "operator: { name: script, with: '${{ 1 }}' } } }\n", [("no-expression-here", "'${{ 1 }}'")]),
        ("  description: '${{ run.id }}'\n" + STEP, [("no-expression-here", "${{ run.id }}")]),
        ("  inputs: { a: { default: '${{ 1 }}', type: string } }\n" + STEP, [("no-expression-here", "${{ 1 }}")]),
        ("  inputs: { a: { type: string, enum: [] } }\n" + STEP, [("out-of-range", "[]")]),
        ("  inputs: { a: string }\n" + OPEN + "env: { A: '${{ inputs.a }}' } } } }\n", [("wrong-type", "string")]),
        ("  outputs: '${{ steps.a }}'\n" + STEP, [("no-expression-here", "${{ steps.a }}")]),
        ("  outputs: { a: 3 }\n" + STEP, [("wrong-type", "3")]),
        ("  budget: { tokens: 1.5 }\n" + STEP, [("wrong-type", "1.5")]),
        ("  budget: { tokens: '1.5' }\n" + STEP, [("not-in-form", "'1.5'")]),
        ("  budget: { tokens: '9999999999999999999' }\n" + STEP, [("not-in-form", "'9999999999999999999'")]),
        ("  budget: { cost: 1 EUR, wallClock: 0s }\n" + STEP, [("out-of-range", "0s")]),
        ("  version: 1.2\n" + STEP, [("wrong-type", "1.2")]),
        ("  uses: { policies: { a: ../a.yaml } }\n" + STEP, [("not-in-form", "../a.yaml")]),
    ],
)  # fmt: skip
def test_a_wrong_form_is_said_once_at_its_place(spec: str, found: list[tuple[str, str]], mistakes: Mistakes) -> None:
    assert mistakes(spec) == found


def test_a_place_that_yaml_complains_of_is_not_complained_of_again(mistakes: Mistakes) -> None:
    spec = OPEN + "shell: n }, timeout: 010, retry: { attempts: .inf } }, 1: { script: { run: b } } }\n"
    assert mistakes(spec) == [
        ("yaml-ambiguous", "n"),
        ("yaml-ambiguous", "010"),
        ("number-not-finite", ".inf"),
        ("key-not-text", "1"),
    ]


def test_what_is_wrong_is_not_missed_where_it_is_used(mistakes: Mistakes) -> None:
    spec = """\
  uses: { policies: { rules: rules.yaml } }
  inputs: { size: { type: integr }, name: string, list: 3 }
  steps:
    one: { script: { run: a }, outputs: { count: integer, name: { type: strng } } }
    two: { scrpt: { run: a } }
    three:
      forEach: [1, 2]
      script: { run: a, env: { A: "${{ item }}", B: "${{ inputs.name + inputs.size }}", C: "${{ inputs.list[0] }}" } }
    four:
      needs: [two, three]
      policy: { set: rules, input: { any: "${{ steps.two.x + steps.one.count }}", thing: "${{ steps.three[0].a }}" } }
  types: { T: 5 }
  outputs: { a: "${{ steps.one.name }}", b: "${{ steps.two.y }}" }
"""
    assert mistakes(spec) == [
        ("not-in-form", "rules.yaml"),
        ("not-one-of", "integr"),
        ("wrong-type", "string"),
        ("wrong-type", "3"),
        ("wrong-type", "integer"),
        ("not-one-of", "strng"),
        ("unknown-field", "scrpt"),
        ("wrong-type", "[1, 2]"),
        ("wrong-type", "5"),
    ]


def test_a_number_in_quotes_is_offered_without_them_and_text_without_quotes_with_them(
    compiled: Callable[..., Any],
) -> None:
    text = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n"
    text += STEPS + "script: { run: true }, maxParallel: \"3\", forEach: '${{ [1] }}' } }\n"
    found = {one.edit.text: one.help for one in compiled(text).diagnostics}
    assert found == {'"true"': "quote it", "3": "take the quotes away"}


def test_the_same_id_in_steps_and_finally_is_two_steps(mistakes: Mistakes) -> None:
    assert mistakes(STEP + "  finally: { a: { script: { run: b } } }\n") == [("duplicate-step", "a")]


@pytest.mark.parametrize(
    ("name", "found"),
    [("a", []), ("a/b", ["not-in-form"]), ("a-${{ run.id }}", []), ("${{ string(4 / 2) }}", [])],
)
def test_the_name_of_a_bundle_is_no_path(name: str, found: list[str], mistakes: Mistakes) -> None:
    spec = """\
  steps:
    make: { script: { run: a }, outputs: { file: { type: artifact, path: f } } }
    pack: { bundle: { name: "NAME", include: ["${{ steps.make.file }}"] } }
"""
    assert [name for name, _ in mistakes(spec.replace("NAME", name))] == found


@pytest.mark.parametrize("step", ["run: x", "scrpt: { run: x }", "script: { run: x }, slm: {}", "timeout: 5m"])
def test_a_step_that_does_not_say_what_it_does_is_checked_all_the_same(step: str, mistakes: Mistakes) -> None:
    spec = f"""\
  inputs: {{ x: {{ type: string }} }}
  steps:
    a: {{ {step}, if: inputs.x, require: inputs.y == "", needs: [nowhere] }}
    b: {{ script: {{ run: x, env: {{ A: "${{{{ steps.a.anything }}}}" }} }} }}
"""
    found = mistakes(spec)
    assert found[-3:] == [("type-mismatch", "inputs.x"), ("unknown-input", "y"), ("unknown-need", "nowhere")]
    assert not any(text == "anything" for _, text in found)
    assert mistakes(spec) == found, "what is wrong is said each time that the text is checked"
