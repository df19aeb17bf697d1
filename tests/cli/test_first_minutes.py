"""What a newcomer types first works as it is printed."""

from pathlib import Path

from somagent_shell import Shell


def test_a_new_capsule_checks_plans_and_runs_as_it_is(somagent: Shell) -> None:
    assert somagent("new").out.startswith("wrote hello.capsule.yaml and tests/hello.yaml\n")
    assert somagent("check", "hello.capsule.yaml").out == "ok: hello.capsule.yaml (capsule, 2 steps)\n"
    plan = somagent("plan", "hello.capsule.yaml")
    assert plan.code == 0
    assert "keep   script    audit    greet" in plan.out
    run = somagent("run", "hello.capsule.yaml", "--output", "json")
    assert (run.code, run.json["phase"]) == (0, "Succeeded")
    assert run.json["outputs"]["greetings"] == ["Hello, Ada!", "Hello, Grace!"]
    assert run.json["steps"]["greet"]["attempts"] == 2
    assert Path(somagent.folder, run.json["report"]).read_text().startswith("<!DOCTYPE html>")


def test_new_takes_a_name_and_overwrites_nothing_unasked(somagent: Shell) -> None:
    assert somagent("new", "nightly").code == 0
    assert "metadata: { name: nightly }" in (somagent.folder / "nightly.capsule.yaml").read_text()
    again = somagent("new", "nightly")
    assert (again.code, again.err) == (2, "error: `nightly.capsule.yaml` is there already; `--force` overwrites it\n")
    assert somagent("new", "nightly", "--force").code == 0
    assert "is not a DNS name" in somagent("new", "Night_ly").err


def test_no_command_prints_the_help_and_a_wrong_one_says_which_there_are(somagent: Shell) -> None:
    nothing = somagent()
    assert nothing.code == 2
    assert "run a capsule" in nothing.out
    wrong = somagent("rnu", "x")
    assert wrong.code == 2
    assert wrong.err.startswith("error: argument COMMAND: invalid choice: 'rnu'; did you mean `run`?\n")
    far = somagent("nothingnear")
    assert far.err.startswith("error: argument COMMAND: invalid choice: 'nothingnear' (choose from ")
    assert "somagent --help" in wrong.err


def test_the_version_is_printed(somagent: Shell) -> None:
    assert somagent("--version").out == "somagent 0.1.0\n"
