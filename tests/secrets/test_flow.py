"""A capsule whose secret could reach anything but what was granted it is not compiled."""

from __future__ import annotations

import pytest
from secret_capsules import compile_text

from somagent.capsule_compiler.diagnostics import render_all

HEAD = """apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  uses:
    secrets: { token: { secret: git-writer, key: token, grantTo: [push] } }
  inputs:
    key: { type: secret, grantTo: [push] }
    on_main: { type: boolean, default: true }
"""
PUSH = '    push: { script: { run: a, env: { TOKEN: "${{ secrets.token }}", KEY: "${{ inputs.key }}" } } }\n'


def names(text: str) -> list[str]:
    return [one.name for one in compile_text(text).diagnostics]


def test_a_granted_script_gets_secrets_and_the_plan_names_them_without_values() -> None:
    plan = compile_text(f"{HEAD}  steps:\n{PUSH}").plan
    assert plan is not None
    assert plan.node("push").secrets == ["inputs.key", "secrets.token"]
    assert plan.secrets["token"].grant_to == ["push"]


def test_which_of_two_secrets_may_depend_on_a_condition() -> None:
    chosen = "${{ inputs.on_main ? secrets.token : inputs.key }}"
    assert names(f"{HEAD}  steps:\n    push: {{ script: {{ run: a, env: {{ T: '{chosen}' }} }} }}\n") == []


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("script: { run: a, env: { T: 'x${{ secrets.token }}' } }", "secret-in-text"),
        ("script: { run: a, env: { T: { inside: '${{ secrets.token }}' } } }", "secret-in-text"),
        ("script: { run: a, env: { T: ['${{ secrets.token }}'] } }", "secret-in-text"),
        ("script: { run: a, env: { T: '${{ [secrets.token] }}' } }", "secret-computed"),
        ("script: { run: a, env: { T: '${{ {\"a\": secrets.token} }}' } }", "secret-computed"),
        ("script: { run: a, env: { T: '${{ has(secrets.token) }}' } }", "secret-computed"),
        ("script: { run: a, env: { T: '${{ secrets }}' } }", "secret-computed"),
        ("script: { run: a, env: { T: '${{ inputs }}' } }", "secret-computed"),
        ("script: { run: a, env: { T: '${{ secrets[\"token\"] == secrets.token }}' } }", "secret-computed"),
        ("script: { run: a, env: { T: '${{ [1].map(i, secrets.token) }}' } }", "secret-computed"),
        ("script: { run: a, env: { T: '${{ secrets.token == \"x\" ? 1 : 2 }}' } }", "secret-computed"),
        ("script: { run: a, env: { T: '${{ inputs.key }}x' } }", "secret-in-text"),
        ("{ if: secrets.token != '', script: { run: a } }", "secret-decides"),
        ("{ require: secrets.token == secrets.token, script: { run: a } }", "secret-decides"),
        ("{ forEach: '${{ [secrets.token] }}', script: { run: a, env: { T: '${{ item }}' } } }", "secret-decides"),
        ("review: { title: 'Use ${{ secrets.token }}' }", "secret-in-text"),
        ("review: { title: Go, show: ['${{ secrets.token }}'] }", "secret-exposed"),
        ("bundle: { name: '${{ secrets.token }}', include: [] }", "secret-exposed"),
        ("policy: { input: { a: '${{ secrets.token }}' } }", "secret-exposed"),
    ],
)
def test_every_other_place_is_refused(step: str, fault: str) -> None:
    body = step if step.startswith("{") else f"{{ {step} }}"
    found = names(f"{HEAD}  steps:\n{PUSH}    bad: {body}\n")
    assert fault in found


def test_a_step_that_is_not_granted_gets_nothing_and_the_way_is_shown() -> None:
    bad = "    bad: { script: { run: a, env: { T: '${{ secrets.token }}' } } }\n"
    compilation = compile_text(f"{HEAD}  steps:\n{PUSH}{bad}")
    text = render_all(compilation.source, compilation.diagnostics)
    assert "error[CAP702]: `secrets.token` is not granted to `bad`" in text
    assert "it is declared here, for `push`" in text
    assert "it would reach `bad` here" in text


def test_an_output_of_the_capsule_is_no_place_for_a_secret() -> None:
    assert names(f"{HEAD}  steps:\n{PUSH}  outputs: {{ t: '${{{{ secrets.token }}}}' }}\n") == ["secret-exposed"]


@pytest.mark.parametrize("keyword", ["default: x", "enum: [x]", "minLength: 3", "pattern: a"])
def test_a_secret_input_has_a_name_at_run_time_and_no_value_in_the_text(keyword: str) -> None:
    text = f"{HEAD}  steps:\n{PUSH}".replace("key: { type: secret,", f"key: {{ type: secret, {keyword},")
    assert names(text) == ["keyword-of-other-type"]
