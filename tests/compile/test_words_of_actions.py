"""Who writes what GitHub Actions knows is told what is written here, and where only one thing can be meant, gets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from somagent.capsule_compiler.diagnostics.fix import Checked, fix
from somagent.capsule_compiler.plan import plan_digest

Compile = Callable[..., Any]

HEAD = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  inputs:
    ref: { type: string }
    flag: { type: boolean }
    parts: { type: array, maxItems: 3, items: { $ref: "#/types/Part" } }
    names: { type: array, maxItems: 3, items: { type: string } }
  types:
    Part: { type: object, required: [os], properties: { os: { type: string } } }
  steps:
    plan: { script: { run: a }, outputs: { risk: { type: integer }, list: { type: array, items: { type: string } } } }
    plan_gate: { script: { run: a }, outputs: { because: { type: string } } }
    many: { forEach: "${{ inputs.names }}", script: { run: a }, outputs: { commit: { type: string } } }
    all: { forEach: "${{ inputs.parts }}", as: part, script: { run: a, env: { VALUE: IN_ITEM } } }
    one: { if: IN_IF, script: { run: a, env: { VALUE: IN_VALUE } } }
  finally:
    tell: { if: IN_FINALLY, script: { run: a } }
"""
RIGHT = {"IN_ITEM": "x", "IN_IF": "inputs.flag", "IN_VALUE": "x", "IN_FINALLY": "inputs.flag"}


def capsule(**written: str) -> str:
    text = HEAD
    for place, value in (RIGHT | written).items():
        text = text.replace(place, value)
    return text


def mended(compiled: Compile, text: str, *, unsafe: bool) -> str:
    def check(text: str) -> Checked:
        one = compiled(text)
        return Checked(one.source, one.diagnostics, plan_digest(one.plan) if one.plan else None)

    return fix(check(text), check, unsafe=unsafe).checked.source.text


def hole(text: str) -> str:
    return '"${{ ' + text + ' }}"'


@pytest.mark.parametrize(
    ("place", "wrong", "right"),
    [
        ("IN_VALUE", "github.run_id", "run.id"),
        ("IN_VALUE", "github.actor + 'a'", "run.submitter + 'a'"),
        ("IN_VALUE", "github.event.inputs.ref", "inputs.ref"),
        ("IN_VALUE", "needs.plan.outputs.risk", "steps.plan.risk"),
        ("IN_VALUE", "needs.plan.result", "steps.plan.status"),
        ("IN_VALUE", "needs.plan['outputs'].risk", "steps.plan.risk"),
        ("IN_VALUE", "steps.plan.outputs.risk + 1", "steps.plan.risk + 1"),
        ("IN_VALUE", "steps.plan.outcome == 'success'", "steps.plan.status == 'Succeeded'"),
        ("IN_VALUE", "steps.many.outputs.commit", "steps.many.map(i, i.commit)"),
        ("IN_VALUE", "format('{0}-{1}', inputs.ref, 1)", "string(inputs.ref) + '-' + string(1)"),
        ("IN_IF", "success() && inputs.flag", "inputs.flag"),
        ("IN_IF", "'!cancelled() && inputs.flag'", "'inputs.flag'"),
        ("IN_FINALLY", "failure()", 'run.phase == "Failed"'),
        ("IN_FINALLY", "'!failure()'", "'run.phase != \"Failed\"'"),
        ("IN_FINALLY", "cancelled() || failure()", 'run.phase == "Cancelled" || run.phase == "Failed"'),
        ("IN_FINALLY", "always() && inputs.flag", "inputs.flag"),
        ("IN_FINALLY", "job.status == 'success'", "run.phase == 'Succeeded'"),
        ("IN_FINALLY", "steps.plan.conclusion == 'failure'", "steps.plan.status == 'Failed'"),
        ("IN_FINALLY", "'${{ failure() }}'", 'run.phase == "Failed"'),
    ],
)
def test_what_can_mean_one_thing_only_is_mended(place: str, wrong: str, right: str, compiled: Compile) -> None:
    if place == "IN_VALUE":
        wrong, right = hole(wrong), hole(right)
    text = mended(compiled, capsule(**{place: wrong}), unsafe=False)
    assert text == capsule(**{place: right})
    assert compiled(text).diagnostics == ()


@pytest.mark.parametrize(
    ("place", "wrong", "right"),
    [
        ("IN_VALUE", "github.ref", "inputs.ref"),
        ("IN_VALUE", "env.REF", "inputs.ref"),
        ("IN_VALUE", "vars.REF", "inputs.ref"),
        ("IN_VALUE", "toJSON(steps.plan.list)", "steps.plan.list"),
        ("IN_VALUE", "fromJson(steps.plan.list)[0]", "steps.plan.list[0]"),
        ("IN_ITEM", "matrix.os", "part.os"),
        ("IN_VALUE", "steps.plan-gate.because", "steps.plan_gate.because"),
    ],
)
def test_what_is_likely_meant_is_a_guess(place: str, wrong: str, right: str, compiled: Compile) -> None:
    text = capsule(**{place: hole(wrong)})
    assert mended(compiled, text, unsafe=False) == text
    assert mended(compiled, text, unsafe=True) == capsule(**{place: hole(right)})


@pytest.mark.parametrize(
    ("place", "written", "help_"),
    [
        ("IN_IF", "always()", "`finally`"),
        ("IN_IF", "failure()", 'move it to `finally`, with `if: run.phase == "Failed"`'),
        ("IN_IF", "success()", "take it away"),
        ("IN_IF", "'!cancelled()'", "take it away"),
        ("IN_FINALLY", "always()", "take the condition away"),
        ("IN_VALUE", "join(inputs.names, ',')", "as JSON"),
        ("IN_VALUE", "hashFiles('**/lock')", "artifacts"),
        ("IN_VALUE", "github.sha", "declare an input"),
        ("IN_VALUE", "needs.nobody.outputs.x", "`steps.STEP.OUTPUT`"),
        ("IN_VALUE", "matrix.os", "`forEach`"),
        ("IN_VALUE", "runner.os", "machine"),
        ("IN_VALUE", "steps.plan.outputs", "`steps.plan.NAME`"),
    ],
)
def test_what_has_no_counterpart_has_a_way_out(place: str, written: str, help_: str, compiled: Compile) -> None:
    text = capsule(**{place: hole(written) if place == "IN_VALUE" else written})
    (one,) = compiled(text).diagnostics
    assert help_ in one.help
    assert (one.edit, mended(compiled, text, unsafe=True)) == (None, text)


def test_always_in_braces_is_not_mended_into_what_fails_next(compiled: Compile) -> None:
    text = capsule(IN_IF="'${{ always() }}'")
    assert [one.name for one in compiled(text).diagnostics] == ["expression-in-braces", "unknown-function"]
    assert mended(compiled, text, unsafe=True) == text


NOISE = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  inputs: { name: { type: string } }
  steps:
    a: { if: inputs.name != "", script: { run: a }, outputs: { list: { type: array, items: { type: string } } } }
    b: STEP
"""


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ('{ forEach: "${{ steps.a.lsit }}", script: { run: a } }', "unknown-output"),
        ('{ script: { run: a, env: { A: "${{ steps.a.result }}" } } }', "unknown-output"),
        ('{ script: { run: a, env: { A: "${{ steps.a.lsit.all(x, x == \\"\\") }}" } } }', "unknown-output"),
    ],
)
def test_of_what_is_not_there_nothing_more_is_said(step: str, name: str, compiled: Compile) -> None:
    assert [one.name for one in compiled(NOISE.replace("STEP", step)).diagnostics] == [name]


def test_a_step_that_is_there_twice_has_the_outputs_of_both(compiled: Compile) -> None:
    twice = "{ script: { run: a }, outputs: { x: { type: string } } }\n"
    twice += "    b: { script: { run: a }, outputs: { z: { type: string } } }\n"
    twice += '    c: { script: { run: a, env: { A: "${{ steps.b.x }} ${{ steps.b.z }}" } } }'
    assert [one.name for one in compiled(NOISE.replace("STEP", twice)).diagnostics] == ["duplicate-key"]
