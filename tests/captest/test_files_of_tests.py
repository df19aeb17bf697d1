"""Files of tests as people really write them: with many mistakes, beside each other, and with capsules of any kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from captests import HEAD, TRIAGE
from somagent_shell import Shell

WRONG = """\
    - name: a
      inputs: { limit: yes, limt: 5 }
      answers:
        fetsh: { outputs: { tickets: [] } }
        fetch: { failure: { class: brokn }, spent: { tokens: 1k } }
        sort: { items: [{ outputs: { level: middle } }, {}] }
        ask: { decisions: [{ decision: approved }] }
      expect:
        phase: Done
        skipped: [aks]
        assert: ["outputs.sent"]
    - name: A
      expect: {}
"""


def codes(text: str) -> list[tuple[str, int]]:
    """Each mistake and its line."""
    return [(code, int(line)) for code, line in re.findall(r"error\[(CAP\d+)\].*\n *--> [^:]+:(\d+)", text)]


def test_every_mistake_is_said_at_once_whatever_its_kind(somagent: Shell) -> None:
    somagent.capsule("triage", TRIAGE)
    somagent.write("tests/triage.yaml", HEAD + WRONG)
    ended = somagent("test")
    assert (ended.code, ended.out) == (2, "")
    assert codes(ended.err) == [
        ("CAP013", 7),  # and nothing more of this value, which another reader takes for a boolean
        ("CAP830", 7),
        ("CAP823", 9),
        ("CAP104", 10),
        ("CAP825", 11),
        ("CAP826", 11),
        ("CAP104", 12),
        ("CAP104", 14),
        ("CAP823", 15),
        ("CAP827", 16),
        ("CAP822", 17),
        ("CAP828", 18),
    ]


def test_a_wrong_kind_is_a_mistake_and_not_a_file_passed_over(somagent: Shell) -> None:
    somagent.capsule("triage", TRIAGE)
    somagent.write("tests/triage.yaml", HEAD.replace("CapsuleTest", "CapsuleTset") + WRONG)
    assert "did you mean `CapsuleTest`?" in somagent("test").err


def test_with_several_capsules_a_file_tests_the_one_of_its_name(somagent: Shell) -> None:
    for name in ("one", "two"):
        somagent.capsule(name, "  steps:\n    a: { script: { run: 'true' } }\n")
        somagent.write(f"tests/{name}.yaml", f"{HEAD}    - {{ name: of {name}, expect: {{ phase: Succeeded }} }}\n")
    assert "2 passed" in somagent("test").out
    only = somagent("test", "two.capsule.yaml")
    assert "tests/two.yaml (two.capsule.yaml)" in only.out
    assert "tests/one.yaml" not in only.out
    assert "tests/one.yaml" not in somagent("test", "-k", "of two").out
    somagent.write("tests/other.yaml", f"{HEAD}    - {{ name: a, expect: {{ phase: Succeeded }} }}\n")
    ended = somagent("test", "tests/other.yaml")
    assert ended.code == 2
    assert "not one capsule but 2 (`one.capsule.yaml`, `two.capsule.yaml`)" in ended.err


@pytest.mark.parametrize("name", ["nowhere.capsule.yaml", '"\\0"', '"' + "a" * 5000 + '"', ".", "../.."])
def test_a_capsule_that_cannot_be_is_said(name: str, somagent: Shell) -> None:
    head = HEAD.replace("  cases:\n", f"  capsule: {name}\n  cases:\n")
    somagent.write("tests/one.yaml", f"{head}    - {{ name: a, expect: {{ phase: Succeeded }} }}\n")
    ended = somagent("test")
    assert (ended.code, codes(ended.err)) == (2, [("CAP820", 5)])


def test_files_of_tests_have_a_layout_too(somagent: Shell) -> None:
    somagent.capsule("one", "  steps:\n    a: { script: { run: 'true' } }\n")
    somagent.write("tests/one.yaml", f"{HEAD}    - {{name: a, expect: {{phase: Succeeded}}}}\n")
    somagent.write("tests/data.yaml", "a:   1\n")
    assert "formatted tests/one.yaml" in somagent("fmt").out
    assert (somagent.folder / "tests" / "data.yaml").read_text() == "a:   1\n"


def test_two_hundred_cases_pass_in_one_file(somagent: Shell) -> None:
    somagent.capsule("one", "  steps:\n    a: { script: { run: 'true' } }\n")
    cases = "".join(f"    - {{ name: case {n}, expect: {{ phase: Succeeded }} }}\n" for n in range(200))
    somagent.write("tests/one.yaml", HEAD + cases)
    assert somagent("test").out.endswith("\n200 passed\n")


SHARED = HEAD.replace(
    "  cases:\n",
    """\
  inputs: { limit: 1 }
  answers:
    fetch: { outputs: { tickets: [{ text: a }, { text: b }] } }
    sort: { outputs: { level: low } }
  cases:
""",
)


def test_what_all_cases_have_in_common_is_said_once_and_a_case_may_say_otherwise(somagent: Shell) -> None:
    somagent.capsule("triage", TRIAGE.replace("HERE", str(somagent.folder)))
    somagent.write(
        "tests/triage.yaml",
        SHARED
        + """\
    - { name: common, expect: { phase: Waiting } }
    - { name: own input, inputs: { limit: 2 }, expect: { phase: Succeeded, skipped: [ask] } }
    - name: own answer
      answers: { fetch: { outputs: { tickets: [] } } }
      expect: { outputs: { sent: 2, levels: [] } }
""",
    )
    ended = somagent("test", "--output", "json")
    assert ended.code == 0, ended
    assert [case["notes"] for case in ended.json["cases"]] == [[], [], []]
    wrong = SHARED.replace("limit: 1", "limit: one").replace("level: low", "level: middle").replace("fetch:", "fetsh:")
    somagent.write("tests/triage.yaml", wrong + "    - { name: a, expect: { phase: Waiting } }\n")
    assert codes(somagent("test").err) == [("CAP831", 5), ("CAP823", 7), ("CAP825", 8)]


PERSONA = "apiVersion: somagent.io/v1alpha1\nkind: Persona\nmetadata: { name: w }\nspec: { system: You write. }\n"
WRITING = """\
  uses: { personas: { writer: ./writer.yaml } }
  inputs: { more: { type: boolean, default: false }, parts: { type: array, maxItems: 9, items: { type: string } } }
  steps:
    draft:
      slm: { persona: writer, prompt: Write }
      outputs: { text: { type: string } }
    polish:
      if: inputs.more
      slm: { persona: writer, prompt: "Polish ${{ steps.draft.text }}" }
    part:
      forEach: ${{ inputs.parts }}
      as: part
      slm: { persona: writer, prompt: "Write ${{ part }}" }
      outputs: { words: { type: integer } }
"""


@pytest.fixture
def writing(somagent: Shell) -> Shell:
    """The shell, with a capsule whose steps ask models."""
    somagent.write("writer.yaml", PERSONA)
    somagent.capsule("writing", WRITING)
    return somagent


def test_a_step_outside_that_is_sure_to_run_needs_its_answer_before_anything_runs(writing: Shell) -> None:
    writing.write(
        "tests/writing.yaml", HEAD + "    - { name: a, inputs: { parts: [] }, expect: { phase: Succeeded } }\n"
    )
    ended = writing("test")
    assert (ended.code, codes(ended.err)) == (2, [("CAP825", 6)])  # `polish` may be skipped, `part` may have no items
    assert 'under `answers`, write `draft: { outputs: {"text": ""} }`' in ended.err


def test_a_case_that_lacks_an_answer_fails_even_when_it_expects_a_failure(writing: Shell) -> None:
    writing.write(
        "tests/writing.yaml",
        HEAD
        + """\
    - name: a
      inputs: { more: true, parts: [x, z] }
      answers:
        draft: { outputs: { text: a } }
        part: { items: [{ outputs: { words: 1 } }] }
      expect: { phase: Failed }
""",
    )
    ended = writing("test", "--output", "json")
    assert ended.code == 1
    (case,) = ended.json["cases"]
    assert [(one["line"], one["what"]) for one in case["differences"]] == [
        (6, "step `polish`: it acts outside of the run, and the case has no answer for it"),
        (10, "step `part`: the case answers for 1 item, and there are more"),
    ]


def test_a_bundle_that_is_to_be_signed_is_answered_for_until_something_signs(somagent: Shell) -> None:
    somagent.capsule(
        "signed",
        """\
  steps:
    make: { script: { run: 'echo a > a' }, outputs: { a: { type: artifact, path: a } } }
    pack: { bundle: { name: all, include: ["${{ steps.make.a }}"], sign: true } }
  outputs: { all: "${{ steps.pack.artifact }}" }
""",
    )
    case = "    - { name: a, ANSWERS expect: { phase: Succeeded, outputs: { all: { text: zip } } } }\n"
    somagent.write("tests/signed.yaml", HEAD + case.replace("ANSWERS", ""))
    assert "step `pack` (bundle) acts outside of the run" in somagent("test").err
    answer = "answers: { pack: { outputs: { artifact: { text: zip } } } },"
    somagent.write("tests/signed.yaml", HEAD + case.replace("ANSWERS", answer))
    ended = somagent("test", "--output", "json")
    assert (ended.code, ended.json["cases"][0]["answered"]) == (0, ["pack"])


def test_what_nothing_asked_for_is_noted(writing: Shell) -> None:
    writing.write(
        "tests/writing.yaml",
        HEAD
        + """\
    - name: a
      inputs: { parts: [x] }
      answers:
        draft: { outputs: { text: a } }
        polish: { outputs: {} }
        part: { items: [{ outputs: { words: 1 } }, { outputs: { words: 2 } }] }
      expect: { phase: Succeeded, skipped: [polish] }
""",
    )
    ended = writing("test")
    assert ended.code == 0, ended
    assert "note: the answer for `polish` was not asked for\n" in ended.out
    assert "note: the case answers for 2 items of `part`, and was asked for 1\n" in ended.out


def test_artifacts_are_answered_with_a_text_with_files_or_with_a_path(somagent: Shell, tmp_path: Path) -> None:
    somagent.capsule(
        "tree",
        """\
  steps:
    fetch:
      script: { run: exit 1 }
      outputs: { tree: { type: artifact, path: t }, note: { type: artifact, path: a } }
    read:
      script:
        env: { TREE: "${{ steps.fetch.tree }}", NOTE: "${{ steps.fetch.note }}" }
        run: echo "all=$(cat "$TREE/src/a.txt" "$NOTE")" >> "$SOMAGENT_OUTPUT"
      outputs: { all: { type: string } }
  outputs: { all: "${{ steps.read.all }}" }
""",
    )
    case = """\
    - name: NAME
      answers: { fetch: { outputs: { tree: { files: { src/a.txt: one } }, note: ARTIFACT } } }
      expect: { outputs: { all: one two } }
"""
    somagent.write("tests/note.txt", " two")
    good = case.replace("NAME", "a").replace("ARTIFACT", "{ text: ' two' }")
    good += case.replace("NAME", "b").replace("ARTIFACT", "{ path: note.txt }")
    somagent.write("tests/tree.yaml", HEAD + good)
    assert "2 passed" in somagent("test").out
    for wrong in (
        f"{{ path: {'a' * 5000} }}",
        "{ files: { ../a: x } }",
        "{ files: { /a: x } }",
        "{ files: { a: 5 } }",
        "{ path: nothing }",
        "x",
    ):
        somagent.write("tests/tree.yaml", HEAD + case.replace("ARTIFACT", wrong))
        assert codes(somagent("test").err) == [("CAP825", 7)], wrong


def test_misspelt_names_in_a_file_of_tests_are_mended_as_guesses(somagent: Shell) -> None:
    somagent.capsule("a", "  steps: { fetch: { script: { run: x }, outputs: { size: { type: integer } } } }\n")
    case = (
        "    - { name: a, answers: { NAME: { outputs: { OUT: 3 } } }, expect: { steps: { NAME: { attempts: 1 } } } }\n"
    )
    somagent.write("tests/a.yaml", HEAD + case.replace("NAME", "fetc").replace("OUT", "size"))
    assert somagent("check", "--fix", "--unsafe-fixes", "tests/a.yaml").code == 0
    assert (somagent.folder / "tests/a.yaml").read_text() == HEAD + case.replace("NAME", "fetch").replace("OUT", "size")
