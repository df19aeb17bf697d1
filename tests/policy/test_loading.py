"""A constitution is read whole, with every mistake at its place, or not at all."""

import hashlib
import json

import pytest
import yaml

from somagent.governance.constitution import (
    FAULTS,
    ConstitutionRefused,
    constitution_from_document,
    load_constitution,
)
from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Source

HEAD = """\
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: repo-health }
"""
GOOD = (
    HEAD
    + """\
spec:
  version: 1.2.0
  principles:
    - { id: no-leaks, text: "A secret stays secret." }
  input:
    leaked_secrets: { type: integer, minimum: 0 }
    score: { type: integer, minimum: 0, maximum: 100, default: 0 }
  steps: allow
  rules:
    - id: no-leaked-secrets
      effect: deny
      when: input.leaked_secrets > 0
      because: what was published once is known for ever
      principle: no-leaks
    - { id: scripts-are-noted, scope: step, effect: audit, when: step.operator == "script", because: they do anything }
"""
)


def diagnose(text: str) -> tuple[Source, list[Diagnostic]]:
    source = Source("c.yaml", text)
    constitution, diagnostics = load_constitution(source)
    assert constitution is None
    return source, diagnostics


def shown(source: Source, diagnostic: Diagnostic) -> tuple[str, int, str]:
    """The fault, its line, and the text under the caret."""
    start, end = diagnostic.span
    return diagnostic.name, source.position(start).line, source.text[start:end]


def test_a_sound_constitution_is_ready_to_judge() -> None:
    constitution, diagnostics = load_constitution(Source("c.yaml", GOOD))
    assert diagnostics == []
    assert constitution is not None
    assert (constitution.name, constitution.version) == ("repo-health", "1.2.0")
    assert [principle.id for principle in constitution.principles] == ["no-leaks"]
    assert [rule.id for rule in constitution.input_rules] == ["no-leaked-secrets"]
    assert [rule.id for rule in constitution.step_rules] == ["scripts-are-noted"]
    assert constitution.input_default.effect == "deny"
    assert constitution.step_default.effect == "allow"


def test_the_digest_depends_on_what_is_said_and_not_on_how_it_is_written() -> None:
    original, _ = load_constitution(Source("c.yaml", GOOD))
    assert original is not None
    as_json = json.dumps(dict(reversed(original.document.items())), indent=3)
    rewritten, _ = load_constitution(Source("c.json", as_json))
    changed, _ = load_constitution(Source("c.yaml", GOOD.replace("> 0", "> 1")))
    assert rewritten is not None
    assert changed is not None
    canonical = json.dumps(yaml.safe_load(GOOD), sort_keys=True, separators=(",", ":")).encode()  # ASCII: RFC 8785
    assert original.digest == "sha256:" + hashlib.sha256(canonical).hexdigest()
    assert rewritten.digest == original.digest
    assert changed.digest != original.digest


def test_a_constitution_comes_back_from_its_document_unchanged() -> None:
    original, _ = load_constitution(Source("c.yaml", GOOD))
    assert original is not None
    again = constitution_from_document(json.loads(json.dumps(original.document)))
    assert again.digest == original.digest
    assert [rule.id for rule in again.input_rules] == ["no-leaked-secrets"]


@pytest.mark.parametrize("character", ["\x7f", "\x85", "\u2028", "\U0001f600", "\x00", '"', "\\", "\n", " # "])
def test_any_character_of_a_reason_survives_in_the_document(character: str) -> None:
    text = GOOD.replace("they do anything", json.dumps(f"a{character}b").replace("\\ud83d\\ude00", "\U0001f600"))
    original, diagnostics = load_constitution(Source("c.yaml", text))
    assert diagnostics == []
    assert original is not None
    again = constitution_from_document(json.loads(json.dumps(original.document)))
    assert again.step_rules[0].because == f"a{character}b"
    assert again.digest == original.digest


def test_a_document_that_is_no_constitution_is_refused_in_words() -> None:
    original, _ = load_constitution(Source("c.yaml", GOOD))
    assert original is not None
    document = json.loads(json.dumps(original.document))
    document["spec"]["rules"][0]["when"] = "input.leaks > 0"
    with pytest.raises(ConstitutionRefused, match="has no attribute `leaks`"):
        constitution_from_document(document)
    with pytest.raises(ConstitutionRefused, match="`apiVersion`"):
        constitution_from_document({})


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    source, diagnostics = diagnose(GOOD.replace("  steps: allow", "  stepz: allow"))
    assert [shown(source, found) for found in diagnostics] == [("unknown-field", 11, "stepz")]
    assert diagnostics[0].note == "did you mean `steps`?"


def test_a_mistake_inside_a_condition_points_into_the_condition() -> None:
    source, diagnostics = diagnose(GOOD.replace("input.leaked_secrets > 0", "input.leaked_secret > 0"))
    assert [shown(source, found) for found in diagnostics] == [("constitution-unknown-attribute", 15, "leaked_secret")]
    assert "did you mean `leaked_secrets`?" in diagnostics[0].note


def test_the_second_of_two_rules_with_one_id_points_at_the_first() -> None:
    source, diagnostics = diagnose(GOOD.replace("id: scripts-are-noted", "id: no-leaked-secrets"))
    assert [shown(source, found) for found in diagnostics] == [
        ("constitution-rule-id-twice", 18, "no-leaked-secrets"),
    ]
    assert source.position(diagnostics[0].labels[0].span.start).line == 13


def test_a_step_rule_cannot_read_the_input() -> None:
    source, diagnostics = diagnose(GOOD.replace('step.operator == "script"', "input.score > 0"))
    assert [shown(source, found) for found in diagnostics] == [("unknown-name", 18, "input")]


def test_all_mistakes_are_said_at_once() -> None:
    text = (
        HEAD
        + """\
spec:
  version: 1.0
  principles:
    - { id: a, text: "A" }
    - { id: a, text: "B" }
  input:
    size: { type: integer, minLength: 3, default: big }
    kind: { type: text }
    shape: { type: object, properties: { side: { type: number } }, required: [sides] }
  otherwise: maybe
  rules:
    - { id: one, effect: deny, when: input.size, because: b, principle: x }
    - { id: one, effect: deny, when: input.kind == 3 && input.sice > 0, because: b }
    - { id: two, effect: deny, when: "input.size >", because: b }
    - { id: three, effect: deny, when: "true" }
"""
    )
    source, diagnostics = diagnose(text)
    assert sorted(shown(source, found) for found in diagnostics) == sorted(
        [
            ("wrong-type", 5, "1.0"),
            ("constitution-principle-id-twice", 8, "a"),
            ("constitution-attribute-keyword", 10, "3"),
            ("constitution-attribute-value", 10, "big"),
            ("not-one-of", 11, "text"),
            ("constitution-attribute-required", 12, "[sides]"),
            ("not-one-of", 13, "maybe"),
            ("constitution-when-not-bool", 15, "input.size"),
            ("constitution-unknown-principle", 15, "x"),
            ("constitution-rule-id-twice", 16, "one"),
            ("constitution-unknown-attribute", 16, "sice"),
            ("expression-syntax", 17, '"'),
            ("missing-field", 18, "id"),
        ]
    )


MISTAKES = {
    "constitution-attribute-keyword": ("minimum: 0", "minLength: 0"),
    "constitution-attribute-required": ("type: integer, minimum: 0", "type: object, properties: {}, required: [a]"),
    "constitution-attribute-value": ("default: 0", "default: 101"),
    "constitution-principle-id-twice": ("  principles:\n", '  principles:\n    - { id: no-leaks, text: "again" }\n'),
    "constitution-rule-id-twice": ("id: scripts-are-noted", "id: no-leaked-secrets"),
    "constitution-unknown-attribute": ("when: input.leaked_secrets", "when: input.leaks"),
    "constitution-unknown-principle": ("principle: no-leaks", "principle: no-leeks"),
    "constitution-when-not-bool": ("input.leaked_secrets > 0", "input.leaked_secrets"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_is_found_by_its_name(fault: str) -> None:
    right, wrong = MISTAKES[fault]
    assert right in GOOD
    _, diagnostics = diagnose(GOOD.replace(right, wrong, 1))
    assert fault in {found.name for found in diagnostics}


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("{ type: integer, minimum: 3, maximum: 2 }", "minimum is above maximum"),
        ("{ type: array, minItems: 3, maxItems: 2 }", "minItems is above maxItems"),
        ('{ type: string, maximum: 0, default: "" }', "`maximum` says nothing about `x`"),
        ("{ type: integer, minLength: 2, default: 4 }", "`minLength` says nothing about `x`"),
        ("{ type: string, minimum: 0 }", "`minimum` says nothing about `x`"),
        ("{ type: object, enum: [1] }", "`enum` says nothing about `x`"),
        ("{ type: integer, enum: [1, true] }", "must be a whole number, not true"),
        ("{ type: array, items: { type: string, minimum: 1 } }", "`minimum` says nothing about `items`"),
        ("{ type: number, default: .5, enum: [1] }", "must be one of 1"),
    ],
)
def test_an_attribute_that_makes_no_sense_is_refused(attribute: str, message: str) -> None:
    _, diagnostics = diagnose(HEAD + f"spec:\n  version: 1.0.0\n  input:\n    x: {attribute}\n")
    assert message in "; ".join(found.message for found in diagnostics)


@pytest.mark.parametrize("text", ["", "a: b", "- 1", "kind: Capsule", "kind: { a: b }", "spec: 3", "a: [", "\t"])
def test_whatever_the_text_there_are_diagnostics_and_never_a_traceback(text: str) -> None:
    _, diagnostics = diagnose(text)
    assert diagnostics


def test_of_very_many_mistakes_the_first_are_said_whatever_comes_after_them():
    unknown = ", ".join(f"more{number}: 1" for number in range(3 * MAX_MISTAKES))
    text = HEAD + f"spec:\n  input:\n    a: {{ type: integer, {unknown} }}\n    b: {{ type: boolean, tools: x }}\n"
    constitution, found = load_constitution(Source("c.yaml", text))
    assert constitution is None
    assert len(found) == MAX_MISTAKES
    assert found[-1].name == "too-many-mistakes"
