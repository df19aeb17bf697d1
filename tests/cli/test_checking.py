"""`check`, `explain`, `schema` and `completion`: what authors and their editors use."""

import json
import subprocess

import pytest
from somagent_shell import COMMAND, HEAD, Shell


def test_check_shows_every_mistake_with_its_place_and_exits_with_one(somagent: Shell) -> None:
    name = somagent.capsule(
        "wrong",
        """\
  steps:
    test:
      script: { run: pytest }
      outputs: { coverage: { type: number } }
    gate:
      require: steps.test.covrage >= 0.7
      script: { run: echo, shell: zsh }
""",
    )
    checked = somagent("check", name)
    assert checked.code == 1
    assert (
        "error[CAP203]: step `test` has no output `covrage`\n"
        "  --> wrong.capsule.yaml:10:27\n"
        "10 |       require: steps.test.covrage >= 0.7\n"
        "   |                           ^^^^^^^ did you mean `coverage`?\n"
    ) in checked.out
    assert "error[CAP104]: `zsh` is not a value of `shell`" in checked.out
    assert "wrong.capsule.yaml: 2 errors\n" in checked.out


def test_check_as_json_gives_the_diagnostics_as_data(somagent: Shell) -> None:
    good = somagent.capsule("good", "  steps:\n    a: { script: { run: 'true' } }\n")
    bad = somagent.capsule("bad", "  steps:\n    a: { scrpt: { run: 'true' } }\n")
    checked = somagent("check", good, bad, "--output", "json")
    first, second = checked.json
    assert checked.code == 1
    assert first == {"file": good, "ok": True, "diagnostics": []}
    assert second["diagnostics"][0] | {"message": ""} == {
        "code": "CAP101",
        "name": "unknown-field",
        "severity": "error",
        "message": "",
        "file": bad,
        "line": 6,
        "column": 10,
        "endLine": 6,
        "endColumn": 15,
        "note": "did you mean `script`?",
        "edit": {
            "title": "rename to `script`",
            "text": "script",
            "safe": False,
            "line": 6,
            "column": 10,
            "endLine": 6,
            "endColumn": 15,
        },
    }


def test_check_reads_standard_input_and_constitutions(somagent: Shell) -> None:
    text = HEAD.replace("NAME", "piped") + "  steps:\n    a: { script: { run: 'true' } }\n"
    assert somagent("check", "-", stdin=text).out == "ok: - (capsule, 1 step)\n"
    somagent.write(
        "c.yaml",
        "apiVersion: somagent.io/v1alpha1\nkind: Constitution\nmetadata: { name: c }\n"
        "spec: { version: 1.0.0, rules: [{ id: r, effect: deny, when: 'input.x > 1', because: b }] }\n",
    )
    assert "error[CAP606]" in somagent("check", "c.yaml").out


def test_a_file_that_cannot_be_read_is_one_message(somagent: Shell) -> None:
    missing = somagent("check", "nope.yaml")
    assert (missing.code, missing.err) == (2, "error: cannot read `nope.yaml`: no such file or directory\n")
    assert somagent("run", "nope").code == 2
    assert "library capsule" in somagent("run", "nope").err


def test_colours_are_for_terminals_and_for_those_who_ask(somagent: Shell) -> None:
    name = somagent.capsule("bad", "  steps: {}\n")
    assert "\x1b[" not in somagent("check", name).out
    assert "\x1b[1;31merror[CAP110]\x1b[0m" in somagent("check", name, FORCE_COLOR="1").out


def test_explain_shows_an_example_that_fails_and_the_same_one_mended(somagent: Shell) -> None:
    explained = somagent("explain", "CAP203")
    assert explained.code == 0
    assert "error[CAP203]" in explained.out
    assert somagent("explain", "cap203").out == explained.out
    assert somagent("explain", "unknown-output").out == explained.out
    assert somagent("explain", "CAP999").code == 2
    assert "CAP001" in somagent("explain").out


def test_the_schemas_are_json_schemas(somagent: Shell) -> None:
    for kind in ("capsule", "plan", "constitution"):
        assert "$defs" in json.loads(somagent("schema", kind).out)


def test_the_completion_script_is_one_that_bash_accepts(somagent: Shell) -> None:
    script = somagent("completion", "bash").out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "approve" in script


def test_output_that_nobody_reads_is_no_fault(somagent: Shell) -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{COMMAND}' explain | head -n 1"],
        cwd=somagent.folder,
        env=somagent.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("CAP001")
    assert done.stderr == ""


PARTS = {
    "persona": "kind: Persona\nmetadata: { name: a }\nspec: { system: Be brief. }\n",
    "tool": "kind: Tool\nmetadata: { name: a }\nspec: { functions: {} }\n",
    "package": "kind: Package\npackage: acme/a\nversion: 1.0.0\nprovides: tool\nfile: a.yaml\n",
}


@pytest.mark.parametrize("kind", PARTS)
def test_check_takes_a_document_for_what_it_says_it_is(kind: str, somagent: Shell) -> None:
    path = somagent.folder / "a.yaml"
    path.write_text("apiVersion: somagent.io/v1alpha1\n" + PARTS[kind])
    checked = somagent("check", "a.yaml")
    assert (checked.out, checked.code) == (f"ok: a.yaml ({kind})\n", 0)
    path.write_text("apiVersion: somagent.io/v1alpha1\n" + PARTS[kind] + "stepz: {}\n")
    checked = somagent("check", "a.yaml")
    assert "error[CAP101]: `stepz` is not a field of" in checked.out
    assert checked.out.endswith("a.yaml: 1 error\n")
    assert checked.code == 1


def test_a_file_that_is_named_in_two_ways_is_checked_once(somagent: Shell) -> None:
    name = somagent.capsule("a", "  steps: { a: { script: { run: x } }, b: { needs: [a, a], script: { run: x } } }\n")
    checked = somagent("check", name, f"./{name}", name)
    assert checked.out.count("warning[CAP214]") == 1
    assert checked.out.endswith("\n1 can be fixed with `--fix`\n")


def test_a_circle_of_capsules_is_shown_once(somagent: Shell) -> None:
    for one, other in (("a", "b"), ("b", "c"), ("c", "a")):
        uses = f"  uses: {{ capsules: {{ next: ./{other}.capsule.yaml }} }}\n"
        somagent.capsule(one, f"{uses}  steps: {{ s: {{ capsule: {{ use: next }} }} }}\n")
    assert somagent("check", "a.capsule.yaml").out.count("error[CAP518]") == 1


def test_check_takes_folders_and_this_one_by_default(somagent: Shell) -> None:
    somagent.capsule("right", "  steps: { a: { script: { run: a } } }\n")
    somagent.write("below/wrong.capsule.yaml", HEAD.replace("NAME", "wrong") + "  steps: {}\n")
    somagent.write("below/other.yaml", "not: ours\n")
    here = somagent("check")
    assert here.code == 1
    assert "below/wrong.capsule.yaml:5" in here.out
    assert "ok: right.capsule.yaml" in here.out
    assert somagent("check", "below", "right.capsule.yaml").out.count("wrong.capsule.yaml") >= 1
    somagent.write("empty/other.yaml", "not: ours\n")
    empty = somagent("check", "empty")
    assert (empty.code, empty.err) == (2, "error: there are no capsules, tests or constitutions below `empty`\n")
