"""Where text is an expression and where it only holds some."""

from collections.abc import Callable
from typing import Any

Compile = Callable[..., Any]


def test_entries_of_show_are_expressions_with_or_without_braces(compiled: Compile) -> None:
    spec = "  steps: { ask: { review: { title: Go, show: [run.id, '${{ run.id }}', \"'text'\", 3] } } }\n"
    plan = compiled(f"apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: {{ name: a }}\nspec:\n{spec}").plan
    assert plan is not None
    (node,) = plan.nodes
    assert node.arguments.value["show"] == [None, None, None, 3]
    assert [(hole.at, hole.cel) for hole in node.arguments.holes] == [
        (["show", 0], "run.id"),
        (["show", 1], "run.id"),
        (["show", 2], "'text'"),
    ]


def test_a_hole_that_cannot_be_read_hides_no_mistake_of_the_other_holes(mistakes: Callable[..., Any]) -> None:
    text = "${{ inputs.one + }} ${{ inputs.two }} ${{ inputs.one + 'a' }} ${{ 1u }} ${{ steps.asked.x }}"
    spec = f'  inputs: {{ one: {{ type: integer }} }}\n  steps: {{ ask: {{ review: {{ title: "{text}" }} }} }}\n'
    spec += '  outputs: { all: "${{ inputs. }} ${{ inputs.tow }}" }\n'
    assert mistakes(spec) == [
        ("expression-syntax", "}"),
        ("unknown-input", "two"),
        ("no-matching-overload", "+"),
        ("expression-unsupported", "1u"),
        ("unknown-step", "asked"),
        ("expression-syntax", "}"),
        ("unknown-input", "tow"),
    ]


def test_a_secret_that_an_unreadable_hole_may_hand_on_is_not_called_unused(mistakes: Callable[..., Any]) -> None:
    secrets = "  uses: { secrets: { token: { secret: writer, key: token, grantTo: [say] } } }\n"
    spec = "  steps: { say: { script: { run: echo, env: { T: '${{ secrets.token ) }}' } } } }\n"
    assert [name for name, _ in mistakes(secrets + spec)] == ["expression-syntax"]
    assert [name for name, _ in mistakes(secrets + spec.replace("secrets.token )", "1"))] == ["unused-grant"]
