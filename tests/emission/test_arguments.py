"""Inputs as parameters of a Workflow: what people see there gives back what the capsule declares."""

from __future__ import annotations

import pytest

from somagent.governance.constitution import default_constitution
from somagent.workflows.capsules import compile_content, this_installation
from somagent.workflows.engines.argo.arguments import DEFAULT, Parameter, given_by, parameters_of

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: demo }\nspec:\n  inputs:\n"
STEPS = '  steps:\n    a: { script: { run: "true" } }\n'
INPUTS = """\
    brief: { type: string, description: What to build }
    language: { type: string, enum: [python, typescript], default: python }
    count: { type: integer, default: 3 }
    fast: { type: boolean, default: false }
    names: { type: array, maxItems: 9, items: { type: string }, default: [Ada] }
    level: { $ref: "#/types/Level", description: How bad }
    token: { type: secret }
    braces: { type: string, default: "{{workflow.uid}}", description: "not {{=1}}" }
    listed: { type: array, items: { type: string }, default: ["{{item}}"], maxItems: 3 }
  types: { Level: { type: integer, enum: [1, 2], description: A level } }
"""


@pytest.fixture
def plan(tmp_path):
    text = (HEAD + INPUTS + STEPS).encode()
    done = compile_content(tmp_path / "demo.capsule.yaml", text, this_installation(), default_constitution())
    assert done.plan is not None, done.diagnostics
    return done.plan


def test_each_input_says_what_it_is_how_it_is_written_and_what_may_be_chosen(plan):
    assert parameters_of(plan) == [
        Parameter(name="brief", description="What to build"),
        Parameter(name="language", value="python", enum=["python", "typescript"]),
        Parameter(name="count", description="integer", value="3"),
        Parameter(name="fast", value="false", enum=["true", "false"]),
        Parameter(name="names", description="array, as JSON", value='["Ada"]'),
        Parameter(name="level", description="How bad; integer", enum=["1", "2"]),
        Parameter(name="token", description="the name of a secret, SECRET/KEY"),
        Parameter(name="braces", description="not { {=1}}", value=DEFAULT),
        Parameter(name="listed", description="array, as JSON", value=DEFAULT),
    ]


def test_what_is_shown_gives_back_the_defaults(plan):
    shown = {one.name: one.value for one in parameters_of(plan) if one.value is not None}
    defaults = {name: schema["default"] for name, schema in plan.inputs.items() if "default" in schema}
    assert {**defaults, **given_by(shown, plan)} == defaults


def test_what_people_write_is_text_where_text_is_declared_and_json_elsewhere(plan):
    texts = {"brief": "3", "count": "7", "names": '["Bo"]', "token": "git/token", "unknown": "{{x}}", "fast": "true"}
    assert given_by(texts, plan) == {
        "brief": "3",
        "count": 7,
        "names": ["Bo"],
        "token": "git/token",
        "unknown": "{{x}}",
        "fast": True,
    }
    with pytest.raises(ValueError, match="input `count` is of type integer, written as JSON"):
        given_by({"count": "seven"}, plan)
