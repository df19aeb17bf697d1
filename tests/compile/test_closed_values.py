"""What a capsule compares with a closed list of values is one of them, whoever closed the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

import pytest

from somagent.capsule_compiler.compile import draft_capsule
from somagent.capsule_compiler.draft import FileBeside, Given
from somagent.capsule_compiler.environment import FAILURE_CLASSES, WAYS_TO_END
from somagent.capsule_compiler.language import Language
from somagent.governance.constitution import default_constitution, load_constitution
from somagent.governance.documents import decode_source
from somagent.operators.runner.records import ENDED, FailureClass


def no_files(path: str) -> Sequence[FileBeside]:
    raise FileNotFoundError(path)


Mistakes = Callable[..., list[tuple[str, str]]]

SCOPE = """\
  inputs:
    lang: { type: string, enum: [python, ts] }
    langs: { type: array, maxItems: 9, items: { $ref: "#/types/Lang" } }
  types:
    Lang: { type: string, enum: [python, ts] }
    Part: { type: object, required: [lang], properties: { lang: { $ref: "#/types/Lang" } } }
  steps:
    made:
      script: { run: a }
      outputs: { part: { $ref: "#/types/Part" }, grade: { type: integer, enum: [1, 2] } }
    many:
      forEach: ${{ inputs.langs }}
      onItemFailure: collect
      script: { run: a }
      outputs: { part: { $ref: "#/types/Part" } }
    gate: { policy: { input: {} , onReview: pass } }
    agree: { review: { title: a, verdict: "${{ steps.gate.verdict }}" } }
    last:
      forEach: ${{ inputs.langs }}
      as: one
"""


@pytest.mark.parametrize(
    ("condition", "wrong"),
    [
        ('inputs.lang == "Python"', '"Python"'),
        ('inputs.langs.all(l, l != "go")', '"go"'),
        ('steps.made.part.lang == "go"', '"go"'),
        ("steps.made.grade == 3", "3"),
        ('steps.made.status == "Succeeded"', None),
        ('steps.made.status == "failure"', '"failure"'),
        ('steps.made.status == "Failed"', '"Failed"'),
        ('steps.many.exists(m, m.status == "Failed")', None),
        ('steps.many.exists(m, m.status == "Waiting")', '"Waiting"'),
        ('steps.many.exists(m, has(m.error) && m.error.class == "timeout")', None),
        ('steps.many.exists(m, has(m.error) && m.error.class == "time-out")', '"time-out"'),
        ('steps.gate.verdict == "approve"', '"approve"'),
        ('steps.gate.verdict == "audit"', None),
        ('steps.agree.decision == "approved"', '"approved"'),
        ('steps.agree.decision == "approve"', None),
    ],
)
def test_conditions_are_held_against_what_closed_the_list(
    condition: str, wrong: str | None, mistakes: Mistakes
) -> None:
    found = mistakes(f"{SCOPE}      script: {{ run: a }}\n    more: {{ if: '{condition}', script: {{ run: a }} }}\n")
    assert found == ([("never-equal", wrong)] if wrong else [])


def test_an_item_of_a_fan_out_keeps_the_list_of_its_values(mistakes: Mistakes) -> None:
    argument = "      script: { run: a, env: { A: '${{ one == \"go\" }}' } }\n"
    assert mistakes(SCOPE + argument) == [("never-equal", '"go"')]


@pytest.mark.parametrize(
    ("condition", "wrong"),
    [
        ('run.phase == "failed"', '"failed"'),
        ('run.phase in ["Failed", "Cancelled"]', None),
        ('steps.made.status == "Failed"', None),
        ('steps.made.status == "Waiting"', '"Waiting"'),
    ],
)
def test_finally_knows_more_ways_to_end(condition: str, wrong: str | None, mistakes: Mistakes) -> None:
    text = f"{SCOPE}      script: {{ run: a }}\n  finally:\n    tell: {{ if: '{condition}', script: {{ run: a }} }}\n"
    assert mistakes(text) == ([("never-equal", wrong)] if wrong else [])


def test_a_status_that_only_finally_sees_says_so(compiled: Callable[..., Any]) -> None:
    head = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n  steps:\n"
    steps = "    a: { script: { run: a } }\n    b: { if: steps.a.status == 'Failed', script: { run: a } }\n"
    (mistake,) = compiled(head + steps).diagnostics
    assert "known in `finally` only" in mistake.help


def test_rules_of_constitutions_are_held_against_their_attributes() -> None:
    text = """\
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: a }
spec:
  version: 1.0.0
  input: { stage: { type: string, enum: [plan, release] }, all: { type: array, items: { type: integer, enum: [1] } } }
  rules:
    - { id: a, effect: deny, when: 'input.stage == "Release" || input.all.exists(x, x == 2)', because: a }
"""
    found = load_constitution(decode_source("a.yaml", text.encode())[0])[1]
    assert [(one.name, text[one.span.start : one.span.end]) for one in found] == [
        ("never-equal", '"Release"'),
        ("never-equal", "2"),
    ]


def test_the_lists_are_those_of_the_runner() -> None:
    assert frozenset(WAYS_TO_END) == ENDED
    assert get_args(FailureClass) == FAILURE_CLASSES


def test_a_list_that_was_closed_while_writing_is_seen(language: Language) -> None:
    """What was found in the text before is kept by the types of what is read, to which their values belong here."""
    text = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n  inputs:\n"
    text += "    lang: { type: string, enum: [python, go] }\n"
    text += "  steps:\n    a: { if: inputs.lang == 'go', script: { run: a } }\n"
    given = Given(language, default_constitution(), no_files)
    assert draft_capsule("a", text.encode(), given).diagnostics == ()
    given.readings.again()
    (mistake,) = draft_capsule("a", text.replace("[python, go]", "[python, ts]").encode(), given).diagnostics
    assert mistake.name == "never-equal"
