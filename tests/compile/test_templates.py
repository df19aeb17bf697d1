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
