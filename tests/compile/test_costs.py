"""Macros inside macros: ordinary capsules stay clean, and what could take too long is refused with the costly part."""

from __future__ import annotations

import json

import pytest

LISTS = """\
  inputs:
    open: { type: array, items: { type: string } }
    small: { type: array, items: { type: array, items: { type: integer }, maxItems: 10 }, maxItems: 20 }
    wide: { type: array, items: { type: string }, maxItems: 2000 }
  steps:
    s:
      if: EXPRESSION
      script: { run: 'true' }
"""


@pytest.mark.parametrize(
    "expression",
    [
        "inputs.open.all(x, inputs.open.exists(y, x == y))",
        "inputs.open.all(x, x in inputs.open)",
        "inputs.small.all(r, r.all(n, inputs.small.exists(s, n in s)))",
        "inputs.wide.exists(w, w.matches('^[a-z]+-[0-9]+$'))",
        "inputs.open.map(x, x + '!').filter(x, x.startsWith('a')).size() > 0",
    ],
)
def test_what_people_write_is_within_the_bound(mistakes, expression):
    assert mistakes(LISTS.replace("EXPRESSION", f'"{expression}"')) == []


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("inputs.open.all(x, inputs.open.all(y, inputs.open.exists(z, x == y && y == z)))", "exists"),
        ("inputs.wide.all(x, inputs.wide.exists(y, x == y))", "exists"),
        ("inputs.wide.all(x, x in inputs.wide)", "all"),
        ("inputs.wide. all(x, inputs.wide // a comment\n . exists(y, x == y))", "exists"),
        ("true && inputs.open.map(x, inputs.wide.filter(w, w == x)).all(l, l.all(a, a in inputs.open))", "all"),
    ],
)
def test_what_could_take_too_long_is_refused_at_the_costly_macro(mistakes, expression, part):
    assert mistakes(LISTS.replace("EXPRESSION", json.dumps(expression))) == [("expression-too-costly", part)]


def test_a_fan_outs_results_are_as_many_as_its_items(mistakes):
    spec = """\
  inputs: { names: { type: array, items: { type: string }, maxItems: MOST } }
  steps:
    each:
      forEach: ${{ inputs.names }}
      script: { run: 'true' }
      outputs: { count: { type: integer } }
    all:
      if: steps.each.all(a, steps.each.all(b, steps.each.exists(c, a.count + b.count == c.count)))
      script: { run: 'true' }
"""
    assert mistakes(spec.replace("MOST", "50")) == []
    assert mistakes(spec.replace("MOST", "500")) == [("expression-too-costly", "exists")]


def test_a_type_that_contains_itself_has_a_size_too(mistakes):
    spec = """\
  inputs: { tree: { $ref: "#/types/Tree" } }
  steps: { s: { if: "inputs.tree.children.all(c, c.children.all(d, d.children.size() < 3))", script: { run: 'true' } } }
  types:
    Tree:
      type: object
      required: [children]
      properties: { children: { type: array, items: { $ref: "#/types/Tree" } } }
"""
    assert mistakes(spec) == []
