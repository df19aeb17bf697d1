"""`check --fix` and its relatives: files are mended whole, with consent, or not at all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from somagent_shell import Shell

from somagent.cli.checking import Checker
from somagent.cli.exits import UserError
from somagent.cli.fixing import mend, write
from somagent.governance.constitution import default_constitution
from somagent.workflows.capsules import this_installation

STEPS = """\
  steps:
    a: { script: { run: x }, outputs: { coverage: { type: number } } }
    b:
      needs: [a, a]  # both
      if: ${{ run.id == 'x' and true }}
      script: { run: 'true' }
"""
GUESS = "    c: { require: steps.a.covrage > 0.5, script: { run: x } }\n"


def test_fix_writes_what_can_only_be_meant_so_and_says_what_it_did(somagent: Shell) -> None:
    name = somagent.capsule("a", STEPS)
    fixed = somagent("check", "--fix", name)
    assert (fixed.code, fixed.out) == (0, "ok: a.capsule.yaml (capsule, 2 steps)\n")
    assert fixed.err == (
        "fixed[CAP214]: a.capsule.yaml:8:16: `a` is needed twice: remove it\n"
        "fixed[CAP301]: a.capsule.yaml:9:29: `and` is not an operator: use `&&`: write `&&`\n"
        "fixed[CAP308]: a.capsule.yaml:9:11: `if` is an expression already: take the braces away\n"
    )
    text = (somagent.folder / name).read_text()
    assert "needs: [a]  # both\n      if: run.id == 'x' && true\n" in text
    again = somagent("check", "--fix", name)
    assert (again.code, again.err, (somagent.folder / name).read_text()) == (0, "", text)


def test_guesses_are_shown_and_taken_only_with_consent(somagent: Shell) -> None:
    name = somagent.capsule("a", STEPS + GUESS)
    before = (somagent.folder / name).read_text()
    shown = somagent("check", name)
    assert shown.out.endswith("2 can be fixed with `--fix` (1 more with `--unsafe-fixes`: those are guesses)\n")
    assert (somagent.folder / name).read_text() == before
    fixed = somagent("check", "--fix", name)
    assert (fixed.code, "CAP203" in fixed.out) == (1, True)
    consented = somagent("check", "--fix", "--unsafe-fixes", name)
    assert consented.err == "fixed[CAP203]: a.capsule.yaml:11:27: step `a` has no output `covrage`: write `coverage`\n"
    assert consented.code == 0
    assert somagent("check", "--unsafe-fixes", name).code == 2


def test_diff_writes_nothing_and_can_be_applied(somagent: Shell) -> None:
    name = somagent.capsule("a", STEPS + GUESS)
    path = somagent.folder / name
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    before = path.read_bytes()
    shown = somagent("check", "--diff", "--unsafe-fixes", name)
    assert (shown.code, shown.err, path.read_bytes()) == (1, "", before)
    done = subprocess.run(["git", "apply", "-"], input=shown.out.encode(), cwd=somagent.folder, check=False)
    assert done.returncode == 0
    assert somagent("check", name).out == "ok: a.capsule.yaml (capsule, 3 steps)\n"
    after = somagent("check", "--diff", name)
    assert (after.code, after.out, after.err) == (0, "", "")


def test_diff_says_when_errors_are_left_that_no_edit_mends(somagent: Shell) -> None:
    name = somagent.capsule("a", STEPS + GUESS)
    shown = somagent("check", "--diff", name)
    assert shown.err == "a.capsule.yaml: 1 error is left; `somagent check a.capsule.yaml` shows it\n"
    somagent.write("b.capsule.yaml", "[")
    shown = somagent("check", "--diff", "b.capsule.yaml")
    assert (shown.code, shown.out) == (0, "")
    assert "b.capsule.yaml: 1 error is left" in shown.err


def test_windows_line_ends_and_a_byte_order_mark_stay(somagent: Shell) -> None:
    name = somagent.capsule("a", STEPS)
    path = somagent.folder / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    before = path.read_bytes()
    assert somagent("check", "--fix", name).code == 0
    after = path.read_bytes()
    assert after.startswith(b"\xef\xbb\xbfapiVersion")
    assert (after.count(b"\r\n"), after.count(b"\n")) == (before.count(b"\n"), before.count(b"\n"))


def test_the_mode_of_a_file_and_a_link_to_it_stay(somagent: Shell) -> None:
    name = somagent.capsule("a", STEPS)
    path = somagent.folder / name
    path.chmod(0o640)
    link = somagent.folder / "link.capsule.yaml"
    link.symlink_to(path)
    assert somagent("check", "--fix", link.name).code == 0
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert "[a]" in path.read_text()
    assert sorted(one.name for one in somagent.folder.iterdir()) == ["a.capsule.yaml", "link.capsule.yaml"]


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.capsule.yaml"
    path.write_text("apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n" + STEPS)
    checker = Checker(this_installation(), default_constitution())
    before = checker.file(str(path))
    after, applied = mend(before, checker, unsafe=False)
    assert applied
    path.write_text("someone else's")
    with pytest.raises(UserError, match="has changed since"):
        write(before, after)
    assert path.read_text() == "someone else's"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_standard_input_is_mended_to_standard_output(somagent: Shell) -> None:
    text = (somagent.folder / somagent.capsule("a", STEPS)).read_text()
    mended = somagent("check", "--fix", "-", stdin=text)
    assert "needs: [a]  # both" in mended.out
    assert mended.err.endswith("ok: - (capsule, 2 steps)\n")
    assert somagent("check", "-", stdin=mended.out).code == 0


def test_warnings_can_be_denied(somagent: Shell) -> None:
    name = somagent.capsule(
        "a", "  steps:\n    a: { script: { run: x } }\n    b: { needs: [a, a], script: { run: x } }\n"
    )
    assert somagent("check", name).code == 0
    assert somagent("check", "--deny-warnings", name).code == 1
    assert somagent("check", "--deny-warnings", "--fix", name).code == 0


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_a_file_that_cannot_be_read_hides_no_other_in_any_format(somagent: Shell, form: str) -> None:
    name = somagent.capsule("a", STEPS)
    (somagent.folder / "folder.yaml").mkdir()
    checked = somagent("check", "nope.yaml", "folder.yaml", name, "--format", form)
    assert checked.code == 2
    told = checked.err if form == "text" else checked.out
    assert "cannot read `nope.yaml`: no such file or directory" in told
    assert "there are no capsules, tests or constitutions below `folder.yaml`" in told
    assert "CAP214" in checked.out
    if form == "json":
        assert checked.json["version"] == 1
        assert [one["file"] for one in checked.json["files"]] == [name, "folder.yaml", "nope.yaml"]
    if form == "sarif":
        assert len(checked.json["runs"][0]["invocations"][0]["toolExecutionNotifications"]) == 2
    if form == "github":
        assert all(line.startswith("::") for line in checked.out.splitlines())


def test_paths_are_shown_from_the_current_folder(somagent: Shell) -> None:
    name = somagent.capsule("a", STEPS)
    shown = somagent("check", str(somagent.folder / name), "--format", "github").out
    assert shown.startswith("::warning file=a.capsule.yaml,line=8,")


@pytest.mark.parametrize("command", ["plan", "run"])
def test_plan_and_run_print_mistakes_in_the_form_that_is_asked_for(somagent: Shell, command: str) -> None:
    name = somagent.capsule("a", "  steps: {}\n")
    annotated = somagent(command, name, "--format", "github")
    assert (annotated.code, annotated.out[:32]) == (1, "::error file=a.capsule.yaml,line")
    assert somagent(command, name, "--format", "json").json["files"][0]["ok"] is False
    assert somagent(command, name, "--format", "sarif").json["runs"][0]["results"][0]["ruleId"] == "CAP110"


def test_mistakes_of_the_constitution_that_governs_have_the_same_form(somagent: Shell) -> None:
    name = somagent.capsule("a", STEPS)
    somagent.write("c.yaml", "kind: Constitution\n")
    checked = somagent("check", name, "--constitution", "c.yaml", "--format", "json")
    assert checked.code == 1
    assert [one["file"] for one in checked.json["files"]] == ["c.yaml"]
