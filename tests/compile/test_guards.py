"""A step that may have no outputs is never read as if it had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Mistakes = Callable[..., list[tuple[str, str]]]

HEAD = """\
  inputs: { deep: { type: boolean }, fast: { type: boolean }, list: { type: array, maxItems: 9 } }
  steps:
    a: { if: inputs.deep, script: { run: x }, outputs: { v: { type: integer }, o: { type: object } } }
    b: { if: inputs.fast, script: { run: x }, outputs: { v: { type: integer } } }
    f: { if: inputs.deep, forEach: "${{ inputs.list }}", script: { run: x }, outputs: { v: { type: integer } } }
    s: { script: { run: x }, outputs: { v: { type: integer } } }
"""

READS = {
    "steps.a.v": ["a"],
    "steps['a'].v": ["'a'"],
    "steps.a.v + steps.b.v": ["a", "b"],
    "steps.s.v": [],
    "has(steps.a.v)": [],
    "has(steps.a)": [],
    "has(steps.a.o.x)": ["a"],
    "has(steps.a.v) ? steps.a.v : 0": [],
    "has(steps.a) ? steps.a.v : 0": [],
    "has(steps.a) ? steps.b.v : 0": ["b"],
    "has(steps.a.v) ? 0 : steps.a.v": ["a"],
    "!has(steps.a.v) ? 0 : steps.a.v": [],
    "has(steps.a.v) && has(steps.b.v) ? steps.a.v + steps.b.v : 0": [],
    "has(steps.a.v) || has(steps.b.v) ? steps.a.v : 0": ["a"],
    "!has(steps.a.v) || !has(steps.b.v) ? 0 : steps.a.v + steps.b.v": [],
    "has(steps.a.v) && steps.a.v > 1 ? 1 : 0": [],
    "steps.a.v > 1 && has(steps.a.v) ? 1 : 0": [],
    "!has(steps.a.v) || steps.a.v > 1 ? 1 : 0": [],
    "has(steps.a.v) || steps.a.v > 1 ? 1 : 0": ["a"],
    "has(steps.a.o) ? steps.a.v : 0": [],
    "has(steps.f) ? steps.f.map(i, i.v) : []": [],
    "steps.f.map(i, i.v)": ["f"],
    "size(steps.f)": ["f"],
    "[1].map(x, steps.a.v)": ["a"],
    "has(steps.a.v) ? [1].map(x, steps.a.v) : []": [],
    "inputs.deep ? steps.a.v : 0": ["a"],
}


@pytest.mark.parametrize(("expression", "unsure"), READS.items())
def test_a_read_of_a_step_that_may_be_skipped_says_what_happens_then(
    expression: str, unsure: list[str], mistakes: Mistakes
) -> None:
    found = mistakes(f'{HEAD}    last: {{ script: {{ run: x, env: {{ V: "${{{{ {expression} }}}}" }} }} }}\n')
    assert found == [("read-of-skippable", name) for name in unsure]


@pytest.mark.parametrize(
    ("step", "unsure"),
    [
        ("{ if: inputs.deep, script: { run: x, env: { V: '${{ steps.a.v }}' } } }", []),
        ("{ if: ' inputs.deep ', script: { run: x, env: { V: '${{ steps.a.v }}' } } }", []),
        ("{ if: inputs.fast, script: { run: x, env: { V: '${{ steps.a.v }}' } } }", ["a"]),
        ("{ if: has(steps.a.v), script: { run: x, env: { V: '${{ steps.a.v }}' } } }", []),
        ("{ if: 'has(steps.a.v) && steps.a.v > 1', script: { run: x } }", []),
        ("{ if: steps.a.v > 1, script: { run: x } }", ["a"]),
        ("{ if: inputs.deep, require: steps.a.v > 1, script: { run: x } }", []),
        ("{ require: steps.a.v > 1, script: { run: x } }", ["a"]),
        ("{ require: has(steps.a.v), script: { run: x, env: { V: '${{ steps.a.v }}' } } }", []),
        ("{ require: has(steps.f), forEach: '${{ steps.f }}', script: { run: x } }", []),
        ("{ forEach: '${{ steps.f }}', script: { run: x } }", ["f"]),
        ("{ needs: [a], script: { run: x } }", []),
    ],
)
def test_a_guard_of_the_reader_can_make_sure_of_it(step: str, unsure: list[str], mistakes: Mistakes) -> None:
    assert mistakes(f"{HEAD}    last: {step}\n") == [("read-of-skippable", name) for name in unsure]


@pytest.mark.parametrize(
    ("step", "unsure"),
    [
        ("{ script: { run: x, env: { V: '${{ steps.s.v }}' } } }", ["s"]),
        ("{ script: { run: x, env: { V: '${{ steps.a.v }}' } } }", ["a"]),
        ("{ script: { run: x, env: { V: '${{ has(steps.s.v) ? steps.s.v : 0 }}' } } }", []),
        ("{ if: has(steps.s.v), script: { run: x, env: { V: '${{ steps.s.v }}' } } }", []),
        ("{ if: run.phase == 'Succeeded', script: { run: x, env: { V: '${{ steps.s.v }}' } } }", []),
        ("{ if: run.phase == 'Succeeded', script: { run: x, env: { V: '${{ steps.a.v }}' } } }", ["a"]),
        ("{ if: run.phase == 'Failed', script: { run: x, env: { V: '${{ steps.s.v }}' } } }", ["s"]),
        ("{ if: run.phase != 'Failed', script: { run: x, env: { V: '${{ steps.s.v }}' } } }", ["s"]),
        ("{ if: inputs.deep, script: { run: x, env: { V: '${{ steps.a.v }}' } } }", ["a"]),
        ("{ script: { run: x, env: { V: '${{ steps.before.v }}' } } }", ["before"]),
    ],
)
def test_finally_runs_however_the_run_ends(step: str, unsure: list[str], mistakes: Mistakes) -> None:
    before = "    before: { script: { run: x }, outputs: { v: { type: integer } } }\n"
    spec = f"{HEAD}  finally:\n{before}    last: {step}\n"
    assert mistakes(spec) == [("read-of-skippable", name) for name in unsure]


def test_the_outputs_of_a_capsule_say_it_as_well(mistakes: Mistakes) -> None:
    spec = HEAD + '  outputs: { a: "${{ steps.a.v }}", s: "${{ steps.s.v }}" }\n'
    assert mistakes(spec) == [("read-of-skippable", "a")]


def test_the_message_writes_the_default_out_and_shows_the_guard(compiled: Callable[..., Any]) -> None:
    text = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n" + HEAD
    text += '    last: { script: { run: x, env: { V: "${{ steps.a.v }}" } } }\n'
    (mistake,) = compiled(text).diagnostics
    assert "has(steps.a.v) ? steps.a.v : " in mistake.help
    assert "the same `if`" in mistake.help
    (label,) = mistake.labels
    assert text[label.span.start : label.span.end] == "if"


GATES = """\
  uses: { policies: { rules: ./rules.yaml } }
  inputs: { ask: { type: boolean } }
  steps:
"""
RULES = b"""\
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: rules }
spec: { version: 1.0.0, otherwise: allow }
"""


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ("    gate: { if: inputs.ask, review: { title: 'Go?' } }\n", []),
        (
            "    gate: { if: inputs.ask, review: { title: 'Go?' } }\n    next: { needs: [gate], script: { run: x } }\n",
            [("gate-may-skip", "if")],
        ),
        (
            "    gate: { if: inputs.ask, script: { run: x } }\n    next: { needs: [gate], script: { run: x } }\n",
            [],
        ),
        (
            "    gate: { policy: { set: rules, onReview: pass } }\n    next: { needs: [gate], script: { run: x } }\n",
            [("verdict-unreviewed", "pass")],
        ),
        (
            "    gate: { policy: { set: rules, onReview: wait } }\n    next: { needs: [gate], script: { run: x } }\n",
            [],
        ),
        (
            (
                "    gate: { policy: { set: rules, onReview: pass } }\n"
                "    ask: { review: { title: 'Go?', verdict: '${{ steps.gate.verdict }}' } }\n"
                "    next: { needs: [gate], script: { run: x } }\n"
            ),
            [("verdict-unreviewed", "gate")],
        ),
        (
            (
                "    gate: { policy: { set: rules, onReview: pass } }\n"
                "    ask: { review: { title: 'Go?', verdict: '${{ steps.gate.verdict }}' } }\n"
                "    next: { needs: [ask], script: { run: x } }\n"
            ),
            [],
        ),
    ],
)
def test_what_a_closed_gate_means_is_said_before_the_run(
    steps: str, found: list[tuple[str, str]], mistakes: Mistakes
) -> None:
    assert mistakes(GATES + steps, beside={"rules.yaml": RULES}) == found
