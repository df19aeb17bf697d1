"""What people write who know other systems is said once, at its place, with the form that is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from somagent.capsule_compiler.diagnostics.explain import UnknownCode, explain
from somagent.capsule_compiler.diagnostics.fix import Checked, fix
from somagent.capsule_compiler.plan import plan_digest

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n"
RUN = "script: { run: x }"
Compile = Callable[..., Any]
Mistakes = Callable[..., list[tuple[str, str]]]


def mended(compiled: Compile, spec: str, *, unsafe: bool = False) -> str:
    """The specification after every edit, the safe ones only unless asked."""

    def check(text: str) -> Checked:
        one = compiled(text)
        return Checked(one.source, one.diagnostics, plan_digest(one.plan) if one.plan else None)

    return fix(check(HEAD + spec), check, unsafe=unsafe).checked.source.text.removeprefix(HEAD)


def ways(compiled: Compile, spec: str) -> list[str]:
    return [one.help for one in compiled(HEAD + spec).diagnostics]


def test_a_wrong_step_id_hides_nothing_that_is_below_it(mistakes: Mistakes) -> None:
    spec = """\
  steps:
    plan-gate: { needs: nothing, if: inputs.x, script: { run: "${{ bad }}", envv: {} } }
    b: { needs: [plan-gate], script: { run: x } }
    c: { needs: [plan-gate, b], script: { run: x } }
"""
    assert mistakes(spec) == [
        ("not-in-form", "plan-gate"),
        ("wrong-type", "nothing"),
        ("unknown-input", "x"),
        ("no-expression-here", "${{ bad }}"),
        ("unknown-field", "envv"),
    ]


def test_a_wrong_name_of_an_input_an_output_or_a_type_hides_nothing(mistakes: Mistakes) -> None:
    spec = """\
  inputs: { lang-uage: { type: strin } }
  steps:
    a: { script: { run: x }, outputs: { Size: { type: integer, minLength: 1 }, t: { $ref: "#/types/my-type" } } }
  types: { my-type: { type: object, properties: { a: { typ: string } } } }
"""
    assert mistakes(spec) == [
        ("not-in-form", "lang-uage"),
        ("not-one-of", "strin"),
        ("not-in-form", "Size"),
        ("keyword-of-other-type", "minLength"),
        ("not-in-form", "my-type"),
        ("unknown-field", "typ"),
    ]


def test_a_wrong_step_id_is_mended_with_what_needs_it(compiled: Compile) -> None:
    spec = f"  steps:\n    plan-gate: {{ {RUN} }}\n    b: {{ needs: [plan-gate], {RUN} }}\n"
    assert mended(compiled, spec, unsafe=True) == spec.replace("plan-gate", "plan_gate")


def test_a_name_that_is_refused_is_not_suggested(compiled: Compile) -> None:
    spec = f"  inputs: {{ lang-uage: {{ type: string }} }}\n  steps: {{ a: {{ if: inputs.language == '', {RUN} }} }}\n"
    assert all("lang-uage" not in one.note for one in compiled(HEAD + spec).diagnostics)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("a: { needs: b, RUN }", "a: { needs: [b], RUN }"),
        ("a: { needs: 'b', RUN }", "a: { needs: [b], RUN }"),
        ("a: { script: echo hi }", "a: { script: { run: echo hi } }"),
        ("a: { script: 'make && \"x\"' }", 'a: { script: { run: "make && \\"x\\"" } }'),
        ("a: { retry: 3, RUN }", "a: { retry: { attempts: 3 }, RUN }"),
        ("a: { retry: { failures: transient }, RUN }", "a: { retry: { failures: [transient] }, RUN }"),
        ("a: { budget: 400k, RUN }", "a: { budget: { tokens: 400k }, RUN }"),
        ("a: { budget: 6.00 USD, RUN }", "a: { budget: { cost: 6.00 USD }, RUN }"),
        ("a: { outputs: { x: integer }, RUN }", "a: { outputs: { x: { type: integer } }, RUN }"),
        (
            "a: { outputs: { x: { type: string, enum: fast } }, RUN }",
            "a: { outputs: { x: { type: string, enum: [fast] } }, RUN }",
        ),
        ("a: { timeout-minutes: 5, RUN }", "a: { timeout: 5m, RUN }"),
        ("a: { run: echo hi }", "a: { script: { run: echo hi } }"),
        ("a: { env: { A: 1 }, run: echo }", "a: { script: { env: { A: 1 }, run: echo } }"),
        (
            "a:\n      run: |\n        x\n\n        y\n",
            "a:\n      script:\n        run: |\n          x\n\n          y\n",
        ),
        ("a: { RUN, outputs: { on: { type: string } } }", 'a: { RUN, outputs: { "on": { type: string } } }'),
    ],
)
def test_what_can_mean_one_thing_only_is_mended_safely(wrong: str, right: str, compiled: Compile) -> None:
    def spec(step: str) -> str:
        return f"  steps:\n    {step}\n    b: {{ {RUN} }}\n".replace("RUN", RUN)

    assert mended(compiled, spec(wrong)) == spec(right)
    assert compiled(HEAD + spec(right)).plan is not None


def test_steps_as_a_list_are_looked_into_and_made_a_mapping(mistakes: Mistakes, compiled: Compile) -> None:
    spec = """\
  steps:
    - id: plan # first
      run: |
        echo hi
      timeout-minutes: 5
    # then
    - id: test
      needs: [plann]
      script: { run: make test }
"""
    assert mistakes(spec) == [
        ("wrong-type", "-"),
        ("unknown-field", "run"),
        ("unknown-field", "timeout-minutes"),
        ("unknown-need", "plann"),
    ]
    right = """\
  steps:
    plan: # first
      script:
        run: |
          echo hi
      timeout: 5m
    # then
    test:
      needs: [plan]
      script: { run: make test }
"""
    assert mended(compiled, spec, unsafe=True) == right


def test_who_may_decide_is_not_guessed(compiled: Compile) -> None:
    spec = "  steps: { a: { review: { title: x, reviewers: [tech-leads] } } }\n"
    assert ways(compiled, spec) == ["write `{ users: [tech-leads] }` or `{ groups: [tech-leads] }`"]
    assert mended(compiled, spec, unsafe=True) == spec


STEP_KEYS = [
    "name", "env", "run", "uses", "with", "runs-on", "strategy", "continue-on-error", "timeout-minutes", "permissions",
    "shell", "working-directory", "id", "concurrency", "container", "services", "steps", "environment", "image",
    "resources",
]  # fmt: skip


@pytest.mark.parametrize("key", STEP_KEYS)
def test_a_field_of_a_workflow_has_its_way_out(key: str, compiled: Compile) -> None:
    (mistake,) = compiled(HEAD + f"  steps: {{ a: {{ {key}: x, {RUN} }} }}\n").diagnostics
    assert mistake.name == "unknown-field"
    assert mistake.help
    assert "fields:" not in mistake.help


@pytest.mark.parametrize("key", ["limits", "requests"])
def test_limits_of_a_pod_are_written_without_a_level_of_their_own(key: str, compiled: Compile) -> None:
    script = f"script: {{ run: x, resources: {{ {key}: {{ memory: 1Gi }} }} }}"
    assert "`resources: { memory: 512Mi }`" in ways(compiled, f"  steps: {{ a: {{ {script} }} }}\n")[0]


@pytest.mark.parametrize("key", ["on", "jobs", "permissions", "concurrency", "env", "name"])
def test_a_field_of_a_workflow_above_the_steps_is_one_mistake(key: str, compiled: Compile) -> None:
    for text in (HEAD.replace("spec:", f"{key}: x\nspec:"), HEAD + f"  {key}: x\n"):
        (mistake,) = compiled(text + f"  steps: {{ a: {{ {RUN} }} }}\n").diagnostics
        assert (mistake.name, mistake.note) == ("unknown-field", "")
        assert "fields:" not in mistake.help


def test_fields_are_listed_apart_from_operators_the_likest_first(compiled: Compile) -> None:
    (mistake,) = compiled(HEAD + f"  steps: {{ a: {{ waitsFor: [], {RUN} }} }}\n").diagnostics
    fields, operators = mistake.help.split("\n")
    assert fields.startswith("fields: ")
    assert fields.count(",") <= 8
    assert sorted(operators.removeprefix("operators: ").split(", ")) == [
        "bundle", "capsule", "operator", "policy", "review", "script", "slm", "tool",
    ]  # fmt: skip


def test_a_type_is_named_by_its_reference(compiled: Compile) -> None:
    spec = f"""\
  steps:
    a: {{ {RUN}, outputs: {{ m: {{ $ref: Module }} }} }}
    b:
      {RUN}
      outputs:
        m:
          $ref: #/types/Module
  types: {{ Module: {{ type: string }} }}
"""
    right = spec.replace("$ref: Module", '$ref: "#/types/Module"').replace("#/types/Module\n", '"#/types/Module"\n')
    assert "an unquoted `#` begins a comment" in ways(compiled, spec)[1]
    assert mended(compiled, spec, unsafe=True) == right


def test_a_comment_that_swallows_a_brace_is_named(compiled: Compile) -> None:
    (mistake,) = compiled(HEAD + "  types: { A: { $ref: #/types/B } }\n  steps: {}\n").diagnostics
    assert mistake.message == "an unquoted `#` begins a comment, and what would close this is in it"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("acme/notify@v1", "acme/notify@^1"),
        ("acme/notify@1", "acme/notify@^1"),
        ("acme/notify@1.x", "acme/notify@^1"),
        ("acme/notify@1.0.0", "acme/notify@=1.0.0"),
        ("acme/notify@main", "acme/notify"),
    ],
)
def test_a_version_in_another_spelling_is_read_as_what_it_means(wrong: str, right: str, compiled: Compile) -> None:
    found = compiled(HEAD + f"  uses: {{ tools: {{ a: {wrong} }} }}\n  steps: {{ a: {{ {RUN} }} }}\n").diagnostics
    assert [one.note for one in found] == [f"did you mean `{right}`?"]


def test_a_step_written_twice_is_one_mistake(mistakes: Mistakes) -> None:
    spec = f"""\
  steps:
    a: {{ {RUN} }}
    a: {{ {RUN}, outputs: {{ size: {{ type: integer }} }} }}
    b: {{ if: steps.a.size > 1, {RUN} }}
"""
    assert mistakes(spec) == [("duplicate-key", "a")]


def test_a_hole_in_a_script_is_pointed_at_with_what_to_write(compiled: Compile) -> None:
    spec = """\
  steps:
    a:
      script:
        run: |
          set -e
          echo ${{ inputs.language }} and "${{ steps.b.maxSize }}"
"""
    source = compiled(HEAD + spec).source
    found = compiled(HEAD + spec).diagnostics
    assert [source.text[one.span.start : one.span.end] for one in found] == [
        "${{ inputs.language }}",
        "${{ steps.b.maxSize }}",
    ]
    assert 'write `env: { LANGUAGE: "${{ inputs.language }}" }`' in found[0].help
    assert '"$MAX_SIZE"' in found[1].help


@pytest.mark.parametrize("path", ["/tmp/report.xml", "../x", "a/../../x", ".."])
def test_an_artifact_outside_of_the_working_folder_is_refused(path: str, mistakes: Mistakes) -> None:
    spec = f"  steps: {{ a: {{ {RUN}, outputs: {{ r: {{ type: artifact, path: {path} }} }} }} }}\n"
    assert mistakes(spec) == [("artifact-path-outside", path)]


@pytest.mark.parametrize("path", [".", "report.xml", "./a/../b", "..a"])
def test_an_artifact_inside_of_it_is_not(path: str, mistakes: Mistakes) -> None:
    spec = f"  steps: {{ a: {{ {RUN}, outputs: {{ r: {{ type: artifact, path: {path} }} }} }} }}\n"
    assert mistakes(spec) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('echo "a=1" >> "$GITHUB_OUTPUT"', ["GITHUB_OUTPUT"]),
        ('echo "a=1" >> ${GITHUB_ENV}', ["GITHUB_ENV"]),
        ('echo "::set-output name=a::1"', ["set-output"]),
        ('cd "$GITHUB_WORKSPACE" && echo "$RUNNER_TEMP"', ["GITHUB_WORKSPACE", "RUNNER_TEMP"]),
        ('echo "${GITHUB_SHA:-none}"', []),
        ('GITHUB_TOKEN="$TOKEN" && echo "$GITHUB_TOKEN"', []),
        ('echo "$GITHUB_REF $GIVEN"', ["GITHUB_REF"]),
        ('echo "$GITHUB_ACTOR"', []),
    ],
)
def test_a_script_that_counts_on_github_actions_is_warned_of(line: str, found: list[str], mistakes: Mistakes) -> None:
    spec = f"""\
  steps:
    a:
      script:
        env: {{ GITHUB_ACTOR: me, GIVEN: x }}
        run: |
          set -e
          {line}
"""
    assert mistakes(spec) == [("github-variable", name) for name in found]


def test_an_output_of_actions_is_written_as_one_of_ours(compiled: Compile) -> None:
    spec = '  steps:\n    a:\n      script:\n        run: |\n          echo "a=1" >> "$GITHUB_OUTPUT"\n'
    spec += "      outputs: { a: { type: integer } }\n"
    assert mended(compiled, spec) == spec
    assert mended(compiled, spec, unsafe=True) == spec.replace("GITHUB_OUTPUT", "SOMAGENT_OUTPUT")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("{ type: bool }", "{ type: boolean }"),
        ("{ type: int }", "{ type: integer }"),
        ("{ type: str }", "{ type: string }"),
        ("{ type: string, options: [a, b] }", "{ type: string, enum: [a, b] }"),
    ],
)
def test_types_of_other_languages_are_mended(wrong: str, right: str, compiled: Compile) -> None:
    spec = f"  inputs: {{ x: {wrong} }}\n  steps: {{ a: {{ {RUN} }} }}\n"
    assert mended(compiled, spec) == spec.replace(wrong, right)


def test_inputs_of_actions_are_explained(compiled: Compile) -> None:
    spec = f"""\
  inputs:
    a: {{ type: choice, options: [p, q] }}
    b: {{ type: file }}
    c: {{ type: string, required: true }}
  steps: {{ a: {{ {RUN} }} }}
"""
    choice, options, file, required = compiled(HEAD + spec).diagnostics
    assert (choice.note, choice.help) == ("did you mean `string`?", "a choice is `type: string` with `enum: [...]`")
    assert options.help == "the values that are allowed stand under `enum`"
    assert "{ type: string, format: path }" in file.help
    assert "an input without a `default` must be given" in required.help


def test_a_value_in_a_list_is_said_to_be_none_of_the_list(compiled: Compile) -> None:
    spec = f"  steps: {{ a: {{ retry: {{ failures: [error, rate-limit] }}, {RUN} }} }}\n"
    assert [one.message for one in compiled(HEAD + spec).diagnostics] == ["`rate-limit` is not a value of `failures`"]


def test_a_lock_is_not_called_out_of_date_for_a_use_that_is_wrong(compiled: Compile) -> None:
    lock = b"""\
apiVersion: somagent.io/v1alpha1
kind: CapsuleLock
capsules:
  a.capsule.yaml: { requires: { acme/notify: [^1] }, packages: { acme/notify: 1.0.0 } }
packages:
  acme/notify 1.0.0: { source: folder, digest: "sha256:DIGEST", files: { package.yaml: "sha256:DIGEST" } }
""".replace(b"DIGEST", b"0" * 64)
    for use, fault in (
        ("acme/notify@1.0.0", "not-in-form"),
        ("./acme/notify", "not-in-form"),
        ("./tell.yaml", "file-beside-missing"),
    ):
        spec = f"  uses: {{ tools: {{ tell: {use} }} }}\n  steps: {{ a: {{ {RUN} }} }}\n"
        found = compiled(HEAD + spec, beside={"capsule.lock": lock}).diagnostics
        assert [one.name for one in found] == [fault]


def test_a_number_of_a_code_is_like_no_other() -> None:
    with pytest.raises(UnknownCode, match="lists all"):
        explain("CAP999")


def test_what_stands_beside_a_script_is_said_inside_it(compiled: Compile) -> None:
    spec = "  steps: { a: { script: { run: x, timeout-minutes: 5, working-directory: b } } }\n"
    assert ways(compiled, spec) == [
        "it stands beside `script`: `timeout: 15m`",
        "each attempt begins in an empty folder of its own; write `cd FOLDER` in the script",
    ]
    assert mended(compiled, spec, unsafe=True) == spec


@pytest.mark.parametrize("written", ['"${{ steps.t.tree }}"', "'${{ steps.t.tree }}'", "${{ steps.t.tree }}"])
def test_one_expression_where_a_list_is_wanted_becomes_a_list_of_one(written: str, compiled: Compile) -> None:
    spec = f"""\
  steps:
    t: {{ {RUN}, outputs: {{ tree: {{ type: artifact, path: . }} }} }}
    p:
      bundle:
        name: x
        include: {written}
"""
    quoted = f'"{written}"' if written.startswith("$") else written
    assert mended(compiled, spec) == spec.replace(f"include: {written}", f"include: [{quoted}]")
    assert compiled(HEAD + mended(compiled, spec)).plan is not None
