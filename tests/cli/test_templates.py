"""Each template is a whole capsule with tests: it checks clean, has its layout, and runs to its end as it is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from somagent_shell import Shell

from somagent.cli.arguments import TEMPLATES

FOLDER = Path(__file__).parents[2] / "cli" / "templates"


@pytest.fixture
def repository(somagent: Shell) -> Shell:
    """The shell, in a repository with one commit."""
    somagent.write("README.md", "# here\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(somagent.folder)]
    for command in (["init", "-q"], ["add", "README.md"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    return somagent


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_checks_clean_has_its_layout_and_runs_to_its_end(template: str, repository: Shell) -> None:
    new = repository("new", "mine", "--template", template)
    assert (new.code, new.err) == (0, "")
    assert "metadata: { name: mine }\n" in (repository.folder / "mine.capsule.yaml").read_text()
    check = repository("check", "mine.capsule.yaml")
    assert check.out.startswith("ok: mine.capsule.yaml")
    assert check.out.count("\n") == 1
    assert repository("fmt", "--check").err == "2 files in order\n"
    assert repository("plan", "mine.capsule.yaml").code == 0
    run = repository("run", "mine.capsule.yaml", "--output", "json")
    if template == "review-flow":
        assert (run.code, run.json["phase"]) == (3, "Waiting")
        assert "approve last agree --as NAME" in new.out
        run = repository("approve", "last", "agree", "--as", "ana", "--output", "json")
    assert (run.code, run.json["phase"]) == (0, "Succeeded")
    assert {step["phase"] for step in run.json["steps"].values()} == {"Succeeded"}
    assert run.json["outputs"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_tests_of_a_template_pass_as_they_are_and_take_every_way(template: str, repository: Shell) -> None:
    assert "       somagent test mine.capsule.yaml\n" in repository("new", "mine", "--template", template).out
    assert repository("check", "tests/mine.yaml").out.startswith("ok: tests/mine.yaml (tests, ")
    ended = repository("test", "--min-coverage", "100", "--output", "json")
    assert (ended.code, ended.err) == (0, "")
    cases = ended.json["cases"]
    assert len(cases) >= 3
    assert [case["name"] for case in cases if case["notes"]] == []
    assert any(not case["answered"] for case in cases) or template == "repository-job"


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_first_test_of_a_template_says_what_really_happens(template: str, repository: Shell) -> None:
    repository("new", "mine", "--template", template)
    text = (repository.folder / "tests" / "mine.yaml").read_text(encoding="utf-8")
    first = re.search(r"^    - name: (.*)$", text, re.MULTILINE)
    assert first is not None
    if template == "repository-job":  # whose answer names a commit that is not there
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=repository.folder, capture_output=True, text=True, check=True
        )
        text = text.replace("0123456789012345678901234567890123456789", commit.stdout.strip())
        text = text.replace("2 files, ", "1 files, ").replace(
            "inputs: { command: cat", "inputs: { repo: .., command: cat"
        )
        (repository.folder / "tests" / "mine.yaml").write_text(text, encoding="utf-8")
    ended = repository("test", "--real", "-k", first[1], "--output", "json")
    assert (ended.code, [case["answered"] for case in ended.json["cases"]]) == (0, [[]])


def test_nothing_is_overwritten_unless_asked_for(somagent: Shell) -> None:
    somagent.write("tests/hello.yaml", "mine\n")
    ended = somagent("new")
    assert (ended.code, ended.err) == (2, "error: `tests/hello.yaml` is there already; `--force` overwrites it\n")
    assert not (somagent.folder / "hello.capsule.yaml").exists()
    assert somagent("new", "--force").code == 0
    assert "kind: CapsuleTest" in (somagent.folder / "tests" / "hello.yaml").read_text(encoding="utf-8")


def test_the_templates_that_are_listed_are_those_that_there_are(somagent: Shell) -> None:
    listed = [line.split(maxsplit=1) for line in somagent("new", "--list").out.splitlines()]
    assert tuple(name for name, _ in listed) == TEMPLATES
    assert all(text.endswith(".") for _, text in listed)
    for files in (FOLDER.glob("*.yaml"), (FOLDER / "tests").iterdir()):
        assert sorted(path.name.partition(".")[0] for path in files) == sorted(TEMPLATES)
    assert list(somagent.folder.iterdir()) == []
    wrong = somagent("new", "mine", "--template", "fanout")
    assert wrong.code == 2
    assert "invalid choice: 'fanout'" in wrong.err


def test_the_repository_job_keeps_the_log_of_a_command_that_fails(repository: Shell) -> None:
    repository("new", "mine", "--template", "repository-job")
    run = repository("run", "mine.capsule.yaml", "--input", "command=cat README.md; false", "--output", "json")
    assert (run.code, run.json["phase"]) == (1, "Failed")
    assert run.json["steps"]["report"]["phase"] == "Succeeded"
    assert run.json["steps"]["verdict"]["phase"] == "Failed"
    assert "# here" in repository("logs", "last", "job").out


def test_the_review_flow_publishes_nothing_when_the_answer_is_no(somagent: Shell) -> None:
    somagent("new", "mine", "--template", "review-flow")
    assert somagent("run", "mine.capsule.yaml").code == 3
    done = somagent("reject", "last", "agree", "--as", "ana", "--output", "json")
    assert (done.code, done.json["phase"]) == (0, "Failed")  # what was to be done is done: it was rejected
    assert done.json["steps"]["publish"]["phase"] == "Omitted"
    assert done.json["steps"]["tell"]["phase"] == "Succeeded"
