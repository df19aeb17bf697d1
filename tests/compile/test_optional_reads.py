"""A member that may be absent is read only where something has asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HEAD = """apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  inputs:
    deep: { type: boolean, default: false }
    site: { $ref: "#/types/Site" }
    sites: { type: array, maxItems: 5, items: { $ref: "#/types/Site" } }
  types:
    Site: { type: object, required: [host], properties: { host: { type: string }, path: { type: string } } }
  steps:
    fetch:
      forEach: ${{ inputs.sites }}
      onItemFailure: collect
      script: { run: a }
      outputs: { page: { type: string }, size: { type: integer } }
"""


def faults(compiled: Callable[..., Any], step: str) -> list[str]:
    return [one.name for one in compiled(f"{HEAD}    next: {step}\n").diagnostics]


@pytest.mark.parametrize(
    "expression",
    [
        "inputs.site.host",
        "has(inputs.site.path) ? inputs.site.path : '/'",
        "!has(inputs.site.path) ? '/' : inputs.site.path",
        "has(inputs.site.path) && inputs.site.path == '/'",
        "inputs.site.path == '/' && has(inputs.site.path)",
        "!has(inputs.site.path) || inputs.site.path == '/'",
        "inputs.sites.filter(s, has(s.path)).map(s, s.path)",
        "inputs.sites.filter(s, has(s.path) && s.host != '').filter(t, t.path != '').map(u, u.path)",
        "inputs.sites.map(s, has(s.path), s.path)",
        "inputs.sites.exists(s, has(s.path) && s.path == '/')",
        "inputs.sites.map(s, has(s.path) ? s.path : '/')",
        "steps.fetch.filter(f, has(f.page)).map(f, f.size)",
        "steps.fetch.filter(f, !has(f.error)).map(f, f.page)",
        "steps.fetch.filter(f, has(f.error)).map(f, f.error.message)",
        "steps.fetch.map(f, has(f.error) ? f.error.class : f.page)",
        "steps.fetch.map(f, f.status)",
        "steps.fetch.all(f, f.attempts == 1 && f.spend.tokens == 0)",
    ],
)
def test_what_was_asked_for_is_read(compiled: Callable[..., Any], expression: str) -> None:
    assert faults(compiled, f'{{ script: {{ run: a, env: {{ V: "${{{{ {expression} }}}}" }} }} }}') == []


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("inputs.site.path", "read-of-optional"),
        ("has(inputs.site.path) || inputs.site.path == '/'", "read-of-optional"),
        ("has(inputs.site.path) ? '/' : inputs.site.path", "read-of-optional"),
        ("has(inputs.site.host) ? inputs.site.path : '/'", "read-of-optional"),
        ("inputs.sites.map(s, s.path)", "read-of-optional"),
        ("inputs.sites.filter(s, !has(s.path)).map(s, s.path)", "read-of-optional"),
        ("inputs.sites.filter(s, has(s.path)).exists(t, inputs.sites.all(t, t.path == ''))", "read-of-optional"),
        ("inputs.sites[0].path", "read-of-optional"),
        ("has(inputs.sites[0].path) ? inputs.sites[1].path : ''", "read-of-optional"),
        ("steps.fetch.map(f, f.page)", "read-of-collected"),
        ("steps.fetch.map(f, f.error.message)", "read-of-collected"),
        ("steps.fetch.filter(f, has(f.error)).map(f, f.page)", "read-of-collected"),
        ("steps.fetch.filter(f, has(f.status)).map(f, f.page)", "read-of-collected"),
        ("steps.fetch.filter(f, has(f.page) || f.attempts > 1).map(f, f.page)", "read-of-collected"),
    ],
)
def test_what_was_not_asked_for_is_a_mistake(compiled: Callable[..., Any], expression: str, fault: str) -> None:
    assert faults(compiled, f'{{ script: {{ run: a, env: {{ V: "${{{{ {expression} }}}}" }} }} }}') == [fault]


def test_what_if_and_require_ask_for_holds_in_the_step(compiled: Callable[..., Any]) -> None:
    read = 'script: { run: a, env: { V: "${{ inputs.site.path }}" } }'
    assert faults(compiled, f"{{ if: has(inputs.site.path), {read} }}") == []
    assert faults(compiled, f"{{ require: inputs.deep && has(inputs.site.path), {read} }}") == []
    assert faults(compiled, f"{{ if: inputs.deep || has(inputs.site.path), {read} }}") == ["read-of-optional"]


def test_what_a_fan_out_filters_holds_for_its_items(compiled: Callable[..., Any]) -> None:
    read = 'script: { run: a, env: { V: "${{ item.page }} ${{ index }}" } }'
    kept = '"${{ steps.fetch.filter(f, has(f.page)) }}"'
    assert faults(compiled, f"{{ forEach: {kept}, {read} }}") == []
    assert faults(compiled, f'{{ forEach: "${{{{ steps.fetch }}}}", {read} }}') == ["read-of-collected"]
    assert faults(compiled, f"{{ forEach: {kept}, as: page, indexAs: at, {read} }}") == ["unknown-name", "unknown-name"]
