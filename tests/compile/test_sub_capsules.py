"""A capsule as a step: types hold across the border, its plan is embedded once, and nothing uses itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from package_folder import Packages

from somagent.capsule_compiler.plan import Plan, decode_plan, encode_plan, plan_digest

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: scan }\nspec:\n"
SCAN = (
    HEAD
    + """\
  inputs:
    folder: { type: string, minLength: 1 }
    depth: { type: integer, minimum: 1, maximum: 9, default: 3 }
    like: { $ref: "#/types/Finding", default: { path: a } }
  steps:
    look:
      script: { run: "true", env: { FOLDER: "${{ inputs.folder }}" } }
      outputs:
        findings: { type: array, maxItems: 9, items: { $ref: "#/types/Finding" } }
        report: { type: artifact, path: report.md }
  outputs: { findings: "${{ steps.look.findings }}", report: "${{ steps.look.report }}" }
  types:
    Finding:
      type: object
      required: [path]
      properties: { path: { type: string }, line: { type: integer }, after: { $ref: "#/types/More" } }
    More: { type: object, properties: { why: { type: string } } }
    Unused: { type: string }
"""
)
BESIDE = {"scan.capsule.yaml": SCAN.encode()}
USES = "  uses: { capsules: { scan: ./scan.capsule.yaml } }\n"

Mistakes = Callable[..., list[tuple[str, str]]]
Planned = Callable[..., Plan]


def step(given: str, more: str = "") -> str:
    return f"{USES}  steps:\n    scan:\n      capsule: {{ use: scan, with: {given} }}\n{more}"


def test_the_plan_of_the_capsule_is_embedded_by_its_digest(planned: Planned) -> None:
    plan = planned(step("{ folder: src }"), beside=BESIDE)
    node = plan.node("scan")
    assert list(plan.capsules) == [node.capsule]
    inner = plan.capsules[node.capsule]
    assert plan_digest(inner) == node.capsule
    assert inner.capsule.name == "scan"
    assert node.arguments.value == {"use": "scan", "with": {"folder": "src"}}
    assert not node.gate
    assert decode_plan(encode_plan(plan)) == plan


def test_outputs_keep_their_types_on_this_side(planned: Planned, mistakes: Mistakes) -> None:
    reading = """\
    one:
      script:
        run: "true"
        env:
          PATHS: "${{ steps.scan.findings.map(f, f.path) }}"
          WHY: "${{ has(steps.scan.findings[0].after) && has(steps.scan.findings[0].after.why) }}"
          REPORT: "${{ steps.scan.report }}"
"""
    plan = planned(step("{ folder: src }", reading), beside=BESIDE)
    assert plan.node("scan").outputs["findings"]["items"] == {"$ref": "#/types/scan.Finding"}
    assert set(plan.types) == {"scan.Finding", "scan.More"}
    assert plan.types["scan.Finding"]["properties"]["after"] == {"$ref": "#/types/scan.More"}
    wrong = reading.replace("f.path", "f.paht").replace("after.why", "after.hwy").replace("scan.report", "scan.repotr")
    assert mistakes(step("{ folder: src }", wrong), beside=BESIDE) == [
        ("unknown-member", "paht"),
        ("unknown-member", "hwy"),
        ("unknown-output", "repotr"),
    ]


def test_what_may_be_absent_on_the_other_side_may_be_absent_here(mistakes: Mistakes) -> None:
    reading = """\
    one:
      script:
        run: "true"
        env: { WHY: "${{ steps.scan.findings[0].after.why }}" }
"""
    assert mistakes(step("{ folder: src }", reading), beside=BESIDE) == [
        ("read-of-optional", "after"),
        ("read-of-optional", "why"),
    ]


def test_types_of_one_name_on_both_sides_are_two_types(planned: Planned) -> None:
    spec = (
        step("{ folder: src }")
        + "  types: { Finding: { type: string } }\n  inputs: { a: { $ref: '#/types/Finding' } }\n"
    )
    plan = planned(spec, beside=BESIDE)
    assert plan.types["Finding"] == {"type": "string"}
    assert plan.types["scan.Finding"]["type"] == "object"


def test_what_a_fan_out_of_capsules_gives_is_a_list(planned: Planned, mistakes: Mistakes) -> None:
    spec = (
        USES
        + """\
  steps:
    scan:
      forEach: "${{ ['a', 'b'] }}"
      capsule: { use: scan, with: { folder: "${{ item }}" } }
  outputs: { paths: "${{ steps.scan.map(s, s.findings.map(f, f.path)) }}" }
"""
    )
    plan = planned(spec, beside=BESIDE)
    assert plan.output_schemas["paths"] == {
        "type": "array", "items": {"type": "array", "items": {"type": "string"}},
    }  # fmt: skip
    assert mistakes(spec.replace("f.path", "f.x"), beside=BESIDE) == [("unknown-member", "x")]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("{}", [("missing-used-input", "with")]),
        ("{ folder: src, fodler: x }", [("unknown-used-input", "fodler")]),
        ("{ folder: 3 }", [("wrong-type", "3")]),
        ("{ folder: '' }", [("out-of-range", "''")]),
        ("{ folder: src, depth: 10 }", [("out-of-range", "10")]),
        ("{ folder: src, depth: two }", [("wrong-type", "two")]),
        ("{ folder: src, depth: '${{ inputs.text }}' }", [("type-mismatch", "inputs.text")]),
        ("{ folder: src, depth: 'a ${{ inputs.number }}' }", [("type-mismatch", "'a ${{ inputs.number }}'")]),
        ("{ folder: '${{ inputs.number }}' }", [("type-mismatch", "inputs.number")]),
        ("{ folder: 'in ${{ inputs.number }}', depth: '${{ inputs.number }}' }", []),
        ("{ folder: src, like: { path: 1 } }", [("wrong-type", "1")]),
        ("{ folder: src, like: {} }", [("missing-field", "{}")]),
        ("{ folder: src, like: { path: '${{ inputs.number }}' } }", [("type-mismatch", "inputs.number")]),
        ("{ folder: src, like: { path: '${{ inputs.text }}', after: { why: 1 } } }", [("wrong-type", "1")]),
        ("{ '${{ inputs.text }}': src, folder: a }", [("no-expression-here", "'${{ inputs.text }}'")]),
    ],
)
def test_inputs_are_held_against_the_schemas_of_the_capsule(
    given: str, found: list[tuple[str, str]], mistakes: Mistakes
) -> None:
    inputs = "  inputs: { text: { type: string }, number: { type: integer } }\n"
    assert mistakes(inputs + step(given), beside=BESIDE) == found


def test_which_capsule_a_step_runs_is_written_down(mistakes: Mistakes) -> None:
    inputs = "  inputs: { which: { type: string } }\n"
    spec = (
        inputs + USES + "  steps: { a: { capsule: { use: '${{ inputs.which }}' } }, b: { capsule: { use: scna } } }\n"
    )
    assert mistakes(spec, beside=BESIDE) == [("no-expression-here", "${{ inputs.which }}"), ("unknown-use", "scna")]
    declares = step("{ folder: src }").replace("      capsule", "      outputs: { x: { type: string } }\n      capsule")
    assert mistakes(declares, beside=BESIDE) == [("outputs-not-declarable", "outputs")]


def test_a_capsule_that_is_used_twice_is_there_once(planned: Planned) -> None:
    spec = """\
  uses: { capsules: { one: ./scan.capsule.yaml, two: ./scan.capsule.yaml, not_run: ./other.capsule.yaml } }
  steps:
    a: { capsule: { use: one, with: { folder: a } } }
    b: { capsule: { use: two, with: { folder: b } } }
    c: { capsule: { use: one, with: { folder: c } } }
"""
    other = SCAN.replace("name: scan", "name: other")
    plan = planned(spec, beside={**BESIDE, "other.capsule.yaml": other.encode()})
    assert len(plan.capsules) == 1
    assert {node.capsule for node in plan.nodes} == set(plan.capsules)
    assert {name.partition(".")[0] for name in plan.types} == {"one", "two"}


def chain(length: int, folder: str = "") -> dict[str, bytes]:
    """Capsules that each use the next one."""
    files = {}
    for number in range(1, length + 1):
        steps = "  steps: { hello: { script: { run: echo hello, include: [note.txt] } } }\n"
        if number < length:
            uses = f"  uses: {{ capsules: {{ next: ./c{number + 1}.yaml }} }}\n"
            steps = uses + "  steps: { go: { capsule: { use: next } } }\n"
        files[f"{folder}c{number}.yaml"] = (HEAD.replace("scan", f"c{number}") + steps).encode()
    files[f"{folder}note.txt"] = b"a note"
    return files


GO = "  uses: { capsules: { first: ./c1.yaml } }\n  steps: { go: { capsule: { use: first } } }\n"


def test_capsules_inside_capsules_stand_at_the_root(planned: Planned) -> None:
    plan = planned(GO, beside=chain(4))
    assert sorted(one.capsule.name for one in plan.capsules.values()) == ["c1", "c2", "c3", "c4"]
    assert all(not one.capsules for one in plan.capsules.values())
    assert all(plan_digest(one) == digest for digest, one in plan.capsules.items())
    reached, waiting = set(), [plan]
    while waiting:
        for node in waiting.pop().nodes:
            if node.capsule:
                reached.add(node.capsule)
                waiting.append(plan.capsules[node.capsule])
    assert reached == set(plan.capsules)


def test_files_of_used_capsules_come_along_by_their_digest(compiled: Callable[..., Any]) -> None:
    text = HEAD.replace("scan", "it") + GO.replace("./c1", "./deep/c1")
    compilation = compiled(text, beside={**chain(3, "deep/"), "note.txt": b"another note"})
    (file,) = next(one for one in compilation.plan.capsules.values() if one.capsule.name == "c3").files
    assert (file.path, compilation.contents) == ("note.txt", {file.digest: b"a note"})


def test_the_depth_is_bounded(mistakes: Mistakes) -> None:
    assert mistakes(GO, beside=chain(7)) == []
    assert mistakes(GO, beside=chain(8)) == [("too-many-capsules", "./c1.yaml")]
    twice = GO.replace("first: ./c1.yaml", "deep: ./c5.yaml, first: ./c1.yaml")  # c5 is known when c1 comes to it
    assert mistakes(twice, beside=chain(8)) == [("too-many-capsules", "./c1.yaml")]


def test_very_many_capsules_are_bounded(mistakes: Mistakes) -> None:
    leaf = HEAD + "  steps: { hello: { script: { run: echo hello } } }\n"
    beside = {f"c{number}.yaml": leaf.encode() for number in range(300)}
    uses = ", ".join(f"c{number}: ./c{number}.yaml" for number in range(300))
    found = mistakes(
        f"  uses: {{ capsules: {{ {uses} }} }}\n  steps: {{ a: {{ script: {{ run: x }} }} }}\n", beside=beside
    )
    assert found == [("too-many-capsules", f"./c{number}.yaml") for number in range(256, 300)]


def test_a_circle_is_shown_whole_and_once(compiled: Callable[..., Any]) -> None:
    def using(name: str, other: str) -> str:
        return HEAD.replace("scan", name) + (
            f"  uses: {{ capsules: {{ o: ./{other}.yaml }} }}\n  steps: {{ go: {{ capsule: {{ use: o }} }} }}\n"
        )

    beside = {
        "b.yaml": using("b", "c").encode(),
        "c.yaml": using("c", "b").encode(),
        "a.yaml": using("a", "b").encode(),
    }
    (found,) = compiled(using("a", "b"), beside=beside, name="x/a.yaml").diagnostics
    assert found.message == "a capsule cannot use itself: `b.yaml` -> `c.yaml` -> `b.yaml`"
    (found,) = compiled(using("a", "a"), beside=beside, name="x/a.yaml").diagnostics
    assert found.message == "a capsule cannot use itself: `a.yaml` -> `a.yaml`"
    # a folder below is another place, whatever the files are called
    deep = {"d/a.yaml": (HEAD + "  steps: { s: { script: { run: x } } }\n").encode()}
    assert compiled(using("a", "d/a"), beside=deep, name="x/a.yaml").diagnostics == ()


def test_mistakes_of_a_used_capsule_are_said_here_and_shown_there(compiled: Callable[..., Any]) -> None:
    wrong = SCAN.replace("inputs.folder }}", "inputs.fodler }}").replace("steps.look.report", "steps.look.x")
    text = HEAD.replace("scan", "it") + step("{ folder: 3 }") + '  outputs: { a: "${{ steps.scan.findings }}" }\n'
    compilation = compiled(text, beside={"scan.capsule.yaml": wrong.encode()}, name="x/it.capsule.yaml")
    (found,) = compilation.diagnostics
    assert found.name == "capsule-wrong"
    assert found.message == "x/scan.capsule.yaml:11:57: the capsule has no input `fodler` (and 1 more)"
    (child,) = compilation.inner
    assert child.source.name == "x/scan.capsule.yaml"
    assert [one.name for one in child.diagnostics] == ["unknown-input", "unknown-output"]


def test_warnings_of_a_used_capsule_keep_nobody_from_running_it(planned: Planned) -> None:
    twice = SCAN.replace("    look:\n", "    other: { needs: [look, look], script: { run: x } }\n    look:\n")
    assert planned(step("{ folder: a }"), beside={"scan.capsule.yaml": twice.encode()}).capsules


@pytest.mark.parametrize(
    ("inner", "outer", "at_step", "count"),
    [
        ("tokens: 50k", "tokens: 50k", "", 0),
        ("tokens: 51k", "tokens: 50k", "", 1),
        ("tokens: 51k", "", "tokens: 50k", 1),
        ("tokens: 51k", "tokens: 50k", "tokens: 40k", 2),
        ("cost: 2.00 USD", "cost: 1.00 USD", "", 1),
        ("cost: 0.50 EUR", "cost: 1.00 USD", "", 1),
        ("wallClock: 2h", "wallClock: 90m", "", 1),
        ("wallClock: 2h, cost: 2.00 USD, tokens: 1M", "wallClock: 1h, cost: 1.00 USD, tokens: 1k", "", 3),
        ("tokens: 50k", "cost: 1.00 USD", "", 0),
        ("", "tokens: 1k", "", 0),
    ],
)
def test_a_used_capsule_cannot_spend_more_than_there_is(
    inner: str, outer: str, at_step: str, count: int, mistakes: Mistakes
) -> None:
    scan = SCAN.replace("spec:\n", f"spec:\n  budget: {{ {inner} }}\n")
    spec = f"  budget: {{ {outer} }}\n" + step("{ folder: a }", f"      budget: {{ {at_step} }}\n" if at_step else "")
    found = mistakes(spec, beside={"scan.capsule.yaml": scan.encode()})
    assert found == [("budget-beyond-parent", "capsule")] * count


def test_the_digest_follows_the_meaning_of_the_capsule_and_not_its_layout(planned: Planned) -> None:
    def digest(scan: str, name: str = "scan.capsule.yaml") -> str:
        return plan_digest(
            planned(step("{ folder: a }").replace("scan.capsule.yaml", name), beside={name: scan.encode()})
        )

    plain = digest(SCAN)
    assert digest(SCAN + "# a comment\n") == plain
    assert digest(SCAN.replace("minimum: 1, maximum: 9", "maximum: 9, minimum: 1")) == plain
    assert digest(SCAN, "folder/other.yaml") == plain
    assert digest(SCAN.replace('"true"', '"false"')) != plain


def test_a_package_brings_a_capsule_and_what_it_uses(tmp_path: Path, compiled: Callable[..., Any]) -> None:
    packages = Packages(tmp_path)
    packages.add("acme/gate", "1.2.0")
    inner = (
        HEAD
        + """\
  uses: { policies: { gate: acme/gate@^1 } }
  steps:
    gate: { policy: { set: gate, input: { coverage: 0.8 } } }
    hello: { needs: [gate], script: { run: echo hello, include: [note.txt] } }
"""
    )
    folder = packages.add("acme/scan", "2.0.0", provides="capsule", content=inner, requires={"acme/gate": "^1.1"})
    (folder / "note.txt").write_text("from the package")
    text = (
        HEAD.replace("scan", "it")
        + "  uses: { capsules: { scan: acme/scan@^2 } }\n  steps: { s: { capsule: { use: scan } } }\n"
    )
    compilation = compiled(text, packages=tmp_path)
    assert [one.name for one in compilation.diagnostics] == ["packages-not-pinned"]
    plan = compilation.plan
    (child,) = plan.capsules.values()
    assert list(plan.packages) == ["acme/scan"]
    assert list(child.packages) == ["acme/gate"]
    assert child.policies["gate"].name == "release"
    assert list(compilation.contents.values()) == [b"from the package"]
    before = plan_digest(plan)
    (packages.root / "acme/gate/1.2.0/extra.txt").write_text("x")
    assert plan_digest(compiled(text, packages=tmp_path).plan) != before


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        ({}, "package `acme/scan 2.0.0` does not require `acme/gate`"),
        ({"acme/gate": "^1"}, "`acme/gate 1.2.0` was chosen, and does not fit `^2`"),
    ],
)
def test_a_package_uses_only_what_its_manifest_requires(
    requires: Mapping[str, str], said: str, tmp_path: Path, compiled: Callable[..., Any]
) -> None:
    packages = Packages(tmp_path)
    packages.add("acme/gate", "1.2.0")
    inner = HEAD + "  uses: { policies: { gate: acme/gate@^2 } }\n  steps: { hello: { script: { run: echo hello } } }\n"
    packages.add("acme/scan", "2.0.0", provides="capsule", content=inner, requires=requires)
    uses = "  uses: { capsules: { scan: acme/scan }, policies: { g: acme/gate } }\n"
    text = HEAD + uses + "  steps: { s: { capsule: { use: scan } } }\n"
    compilation = compiled(text, packages=tmp_path)
    assert [one.name for one in compilation.diagnostics] == ["packages-not-pinned", "capsule-wrong"]
    assert compilation.diagnostics[1].message.startswith("acme/scan/2.0.0/it.yaml:5:29: " + said)


def test_packages_that_use_each_other_are_a_circle(tmp_path: Path, compiled: Callable[..., Any]) -> None:
    packages = Packages(tmp_path)
    for one, other in (("x", "y"), ("y", "x")):
        content = (
            HEAD + f"  uses: {{ capsules: {{ o: acme/{other} }} }}\n  steps: {{ s: {{ capsule: {{ use: o }} }} }}\n"
        )
        packages.add(f"acme/{one}", "1.0.0", provides="capsule", content=content, requires={f"acme/{other}": ""})
    text = HEAD + "  uses: { capsules: { o: acme/x } }\n  steps: { s: { capsule: { use: o } } }\n"
    errors = [one for one in compiled(text, packages=tmp_path).diagnostics if one.name == "capsule-recursion"]
    circle = "`acme/x/1.0.0/it.yaml` -> `acme/y/1.0.0/it.yaml` -> `acme/x/1.0.0/it.yaml`"
    assert [one.message for one in errors] == [f"a capsule cannot use itself: {circle}"]


def test_packages_of_a_capsule_beside_are_chosen_with_those_of_the_capsule(tmp_path: Path, mistakes: Mistakes) -> None:
    packages = Packages(tmp_path)
    packages.add("acme/gate", "1.2.0")
    packages.add("acme/gate", "2.0.0")
    scan = SCAN.replace("spec:\n", "spec:\n  uses: { policies: { gate: acme/gate@^1 } }\n").encode()
    spec = """\
  uses: { capsules: { scan: ./scan.capsule.yaml }, policies: { gate: acme/gate@^2 } }
  steps: { s: { capsule: { use: scan, with: { folder: a } } } }
"""
    found = mistakes(spec, beside={"scan.capsule.yaml": scan}, packages=tmp_path)
    assert found == [("version-conflict", "acme/gate@^2")]
    found = mistakes(spec.replace("^2", ">=1"), beside={"scan.capsule.yaml": scan}, packages=tmp_path)
    assert found == [("packages-not-pinned", "uses")]
