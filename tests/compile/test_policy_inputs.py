"""What a policy step hands over is what the constitution declares: by name, by type, and constants by value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from somagent.governance.constitution import Constitution, load_constitution
from somagent.governance.documents import decode_source

Mistakes = Callable[..., list[tuple[str, str]]]

RULES = b"""\
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: rules }
spec:
  version: 1.0.0
  input:
    stage: { type: string, enum: [plan, release] }
    risk: { type: integer, minimum: 0, maximum: 10, default: 0 }
    share: { type: number, default: 0.5 }
    findings:
      type: array
      maxItems: 2
      default: []
      items:
        type: object
        required: [severity]
        properties: { severity: { type: string, enum: [low, high] }, line: { type: integer } }
    extra: { type: object, default: {} }
  otherwise: allow
  steps: allow
"""
HEAD = """\
  uses: { policies: { rules: ./rules.yaml } }
  inputs:
    stage: { type: string }
    count: { type: integer }
    ratio: { type: number }
    findings: { type: array, items: { type: object, required: [severity], properties: { severity: { type: string } } } }
    lines: { type: array, items: { type: object, properties: { line: { type: string } } } }
    open: { type: object }
"""


def constitution() -> Constitution:
    loaded, found = load_constitution(decode_source("rules.yaml", RULES)[0])
    assert loaded is not None, found
    return loaded


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("{ stage: plan }", []),
        ("{}", [("missing-attribute", "input")]),
        ("{ stage: plan, risky: 1 }", [("unknown-attribute", "risky")]),
        ("{ stge: plan }", [("missing-attribute", "input"), ("unknown-attribute", "stge")]),
        ("{ stage: '${{ inputs.stage }}', risk: '${{ inputs.count }}', share: '${{ inputs.ratio }}' }", []),
        ("{ stage: '${{ inputs.count }}' }", [("type-mismatch", "inputs.count")]),
        ("{ stage: 'a ${{ inputs.count }}' }", []),
        ("{ stage: plan, risk: '${{ inputs.ratio }}' }", [("type-mismatch", "inputs.ratio")]),
        ("{ stage: plan, risk: '1${{ inputs.count }}' }", [("type-mismatch", "'1${{ inputs.count }}'")]),
        ("{ stage: plan, share: '${{ inputs.count }}' }", [("type-mismatch", "inputs.count")]),
        ("{ stage: plan, findings: '${{ inputs.findings }}' }", []),
        ("{ stage: plan, findings: '${{ inputs.lines }}' }", [("type-mismatch", "inputs.lines")]),
        ("{ stage: plan, findings: [{ severity: '${{ inputs.stage }}' }] }", []),
        ("{ stage: plan, findings: [{ severity: '${{ inputs.count }}' }] }", [("type-mismatch", "inputs.count")]),
        ("{ stage: plan, findings: [{ line: '${{ 1.5 }}', severity: low }] }", [("type-mismatch", "1.5")]),
        ("{ stage: plam }", [("not-one-of", "plam")]),
        ("{ stage: 3 }", [("wrong-type", "3")]),
        ("{ stage: plan, risk: 11 }", [("out-of-range", "11")]),
        ("{ stage: plan, risk: high }", [("wrong-type", "high")]),
        ("{ stage: plan, share: 1 }", []),
        ("{ stage: plan, findings: [{ severity: middle }] }", [("not-one-of", "middle")]),
        ("{ stage: plan, findings: [{ line: 3 }] }", [("missing-field", "line")]),
        ("{ stage: plan, findings: [{ severity: low, row: 3 }] }", [("unknown-field", "row")]),
        ("{ stage: plan, findings: [{ severity: low, line: 1.5 }] }", [("wrong-type", "1.5")]),
        ("{ stage: plan, extra: { anything: [1, 2] } }", []),
        ("'${{ inputs.open }}'", []),
        ("'${{ inputs.findings[0] }}'", [("type-mismatch", "inputs.findings[0]")]),
        ("'${{ {\"stage\": \"plan\"} }}'", []),
        ("'${{ inputs.count }}'", [("type-mismatch", "inputs.count")]),
    ],
)  # fmt: skip
def test_a_policy_input_is_held_against_the_declared_attributes(
    given: str, found: list[tuple[str, str]], mistakes: Mistakes
) -> None:
    spec = f"{HEAD}  steps: {{ gate: {{ policy: {{ set: rules, input: {given} }} }} }}\n"
    assert mistakes(spec, beside={"rules.yaml": RULES}) == found


def test_without_a_set_the_governing_constitution_is_asked(mistakes: Mistakes) -> None:
    spec = "  steps: { gate: { policy: { input: { stage: plan, risky: 1 } } } }\n"
    assert mistakes(spec, constitution=constitution()) == [("unknown-attribute", "risky")]
    assert mistakes(spec) == [("unknown-attribute", "stage"), ("unknown-attribute", "risky")]


def test_a_policy_step_without_an_input_is_told_what_is_missing(mistakes: Mistakes) -> None:
    assert mistakes("  steps: { gate: { policy: {} } }\n", constitution=constitution()) == [
        ("missing-attribute", "policy")
    ]


def test_of_an_unknown_or_broken_set_nothing_more_is_said(mistakes: Mistakes) -> None:
    steps = "  steps: { gate: { policy: { set: ruls, input: { any: 1 } } } }\n"
    assert mistakes(HEAD + steps, beside={"rules.yaml": RULES}) == [("unknown-policy-set", "ruls")]
    steps = "  steps: { gate: { policy: { set: rules, input: { any: 1 } } } }\n"
    assert mistakes(HEAD + steps, beside={"rules.yaml": b"kind: Nothing\n"}) == [("policy-set-wrong", "./rules.yaml")]
