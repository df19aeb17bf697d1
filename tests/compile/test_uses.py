"""Personas, tools and policy sets that a capsule uses are read, checked, held against and kept in the plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from package_folder import Packages

from somagent.capsule_compiler.plan import Plan, plan_digest

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: KIND\nmetadata: { name: NAME }\n"
PERSONA = (
    HEAD.replace("KIND", "Persona").replace("NAME", "architect") + "spec: { system: You design small services. }\n"
)
TOOL = (
    HEAD.replace("KIND", "Tool").replace("NAME", "notify")
    + """\
spec:
  input:
    text: { type: string, minLength: 1 }
    to: { type: array, items: { type: string }, default: [] }
  functions:
    tell: { description: Tell people something, input: { text: { type: string } }, output: { type: boolean } }
"""
)
OPEN = HEAD.replace("KIND", "Tool").replace("NAME", "open") + "spec: { description: takes anything }\n"
POLICY = (
    HEAD.replace("KIND", "Constitution").replace("NAME", "release")
    + """\
spec:
  version: 3.0.0
  input: { stage: { type: string }, risk: { type: integer } }
  rules:
    - { id: low, effect: allow, when: input.risk < 7, because: the risk is low }
"""
)
SCAN = HEAD.replace("KIND", "Capsule").replace("NAME", "scan") + "spec: { steps: { s: { script: { run: scan } } } }\n"
BESIDE = {"architect.yaml": PERSONA.encode(), "notify.yaml": TOOL.encode(), "open.yaml": OPEN.encode()}
USES = "  uses: { personas: { architect: ./architect.yaml }, tools: { notify: ./notify.yaml, open: ./open.yaml } }\n"

Mistakes = Callable[..., list[tuple[str, str]]]
Planned = Callable[..., Plan]


def one(step: str) -> str:
    return USES + "  inputs: { number: { type: integer } }\n  steps: { a: { " + step + " } }\n"


def test_the_whole_example_of_the_language_compiles(tmp_path: Path, compiled: Callable[..., Any]) -> None:
    packages = Packages(tmp_path)
    packages.add("acme/architect", "2.1.3", provides="persona", content=PERSONA)
    packages.add("acme/python-developer", "1.4.9", provides="persona", content=PERSONA)
    packages.add("soma/git", "1.0.0", provides="tool", content=OPEN)
    packages.add("soma/notify", "1.2.0", provides="tool", content=TOOL)
    packages.add("acme/release-policy", "3.0.0", content=POLICY)
    packages.add("soma/dependency-scan", "2.0.0", provides="capsule", content=SCAN)
    text = (Path(__file__).parent / "build-sample-project.capsule.yaml").read_text(encoding="utf-8")
    compilation = compiled(text, packages=tmp_path)
    assert [one.name for one in compilation.diagnostics] == ["packages-not-pinned", "unreadable-to-kubectl"]
    plan = compilation.plan
    assert [node.id for node in plan.nodes] == [
        "plan", "plan_gate", "implement", "merge", "test", "release_review", "package",
    ]  # fmt: skip
    assert plan.output_schemas["commits"] == {"type": "array", "items": {"type": "string"}}
    assert {name: pin.version for name, pin in plan.packages.items()} == {
        "acme/architect": "2.1.3",
        "acme/python-developer": "1.4.9",
        "acme/release-policy": "3.0.0",
        "soma/dependency-scan": "2.0.0",
        "soma/git": "1.0.0",
        "soma/notify": "1.2.0",
    }


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("tool: { use: notify, with: { text: hello } }", []),
        ("tool: { use: notify, with: { text: hello, to: [a, b] } }", []),
        ("tool: { use: notify, with: { text: '${{ inputs.number }}' } }", [("type-mismatch", "inputs.number")]),
        ("tool: { use: notify, with: { text: hello, to: [a, 3] } }", [("wrong-type", "3")]),
        ("tool: { use: notify, with: { text: '' } }", [("out-of-range", "''")]),
        ("tool: { use: notify, with: { txet: a } }", [("missing-used-input", "with"), ("unknown-used-input", "txet")]),
        ("tool: { use: notify }", [("missing-used-input", "tool")]),
        ("tool: { use: open, with: { what: ever, '1': [2] } }", []),
        ("tool: { use: nofity, with: {} }", [("unknown-use", "nofity")]),
        ("tool: { use: notify, with: { text: a } }, outputs: { tree: { type: artifact } }", []),
        ("slm: { persona: architect, prompt: hello }, outputs: { risk: { type: integer } }", []),
        ("slm: { persona: architect, prompt: hello, tools: [open, notify] }", []),
        ("slm: { persona: architcet, prompt: hello, tools: [open] }", [("unknown-use", "architcet")]),
        ("slm: { persona: architect, prompt: hello, tools: [open, nofity] }", [("unknown-use", "nofity")]),
        ("slm: { persona: '${{ inputs.number }}', prompt: a }", [("no-expression-here", "${{ inputs.number }}")]),
        ("slm: { persona: architect }", [("missing-field", "persona")]),
    ],
)  # fmt: skip
def test_steps_are_held_against_what_they_use(step: str, found: list[tuple[str, str]], mistakes: Mistakes) -> None:
    assert mistakes(one(step), beside=BESIDE) == found


def test_what_is_used_is_kept_whole_in_the_plan(planned: Planned) -> None:
    spec = one("tool: { use: notify, with: { text: hello } }")
    plan = planned(spec, beside=BESIDE)
    assert plan.personas["architect"].document["spec"] == {"system": "You design small services."}
    assert plan.tools["notify"].document["spec"]["functions"]["tell"]["output"] == {"type": "boolean"}
    again = planned(spec, beside=BESIDE | {"architect.yaml": (PERSONA + "# a comment\n").encode()})
    other = planned(spec, beside=BESIDE | {"architect.yaml": PERSONA.replace("small", "large").encode()})
    assert plan_digest(plan) == plan_digest(again) != plan_digest(other)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("architect.yaml", PERSONA.replace("system", "sytsem"), "architect.yaml:4:9: `sytsem` is not a field"),
        ("architect.yaml", PERSONA.replace("Persona", "Tool"), "architect.yaml:2:7: `Tool` is not a value of `kind`"),
        ("architect.yaml", PERSONA.replace(". }", '., model: { temperature: 3 } }'), "`temperature` must be"),
        ("notify.yaml", TOOL.replace("type: boolean", "type: bool"), "`bool` is not a value of `type`"),
        ("notify.yaml", TOOL.replace("description", "about"), "`about` is not a field of a function"),
        ("notify.yaml", "a: [", "notify.yaml:1:"),
        ("notify.yaml", TOOL.replace("minLength: 1", "minimum: 1"), "`minimum` says nothing about"),
    ],
)  # fmt: skip
def test_mistakes_in_what_is_used_are_shown_with_their_place(
    file: str, content: str, said: str, compiled: Callable[..., Any]
) -> None:
    text = HEAD.replace("KIND", "Capsule").replace("NAME", "it") + "spec:\n" + one("script: { run: x }")
    (found,) = compiled(text, beside=BESIDE | {file: content.encode()}).diagnostics
    assert found.name == "used-file-wrong"
    assert said in found.message


@pytest.mark.parametrize(
    "use",
    ["release.yaml", "../release.yaml", "/release.yaml", "./release.json", "acme/x@1", "acme/x@", "acme/x@^", "acme",
     "A/x", "acme/x/y", "acme/x@<2", "acme/x@^1 ^2", "acme/x@^01", "''", "acme/x@latest", "git+https://acme/x"],
)  # fmt: skip
def test_what_is_neither_a_file_beside_nor_a_package_is_refused(use: str, mistakes: Mistakes) -> None:
    found = mistakes(f"  uses: {{ policies: {{ a: {use} }} }}\n  steps: {{ a: {{ script: {{ run: x }} }} }}\n")
    assert found == [("not-in-form", use)]


def test_a_secret_may_go_into_an_input_that_takes_one(mistakes: Mistakes) -> None:
    uses = USES.replace("  uses: {", "  uses: { secrets: { key: { secret: s, key: k, grantTo: [notify] } },")
    beside = BESIDE | {"notify.yaml": TOOL.replace("  functions", "    token: { type: secret }\n  functions").encode()}
    spec = uses + "  steps: { a: { tool: { use: notify, with: { text: a, token: '${{ secrets.key }}' } } } }\n"
    assert mistakes(spec, beside=beside) == []
    found = mistakes(
        spec.replace("text: a, token: '${{ secrets.key }}'", "token: a, text: '${{ secrets.key }}'"), beside=beside
    )
    assert ("type-mismatch", "secrets.key") in found
