"""The whole capsule, run by the `somagent` command on repositories made by git."""

from __future__ import annotations

import json
import subprocess
import zipfile
from typing import Any

import pytest
from somagent_shell import Shell

AS_OF = "as_of=2026-01-01"
HEALTHY = {
    "README.md": "# Project\n\n"
    + "It does what it says, and this says what. " * 12
    + "\n\n## Run\n\n```sh\nmake\n```\n",
    "SECURITY.md": "Write to security@example.org.\n",
    "CONTRIBUTING.md": "Run `make test` first.\n",
    "LICENSE": "Apache License\nVersion 2.0, January 2004\n",
    ".github/CODEOWNERS": "* @team\n",
    ".ci/run": "#!/bin/sh\nmake test\n",
    "Makefile": "test:\n\tpytest -q\n",
    "src/app.py": "def double(x):\n    return 2 * x\n",
    "tests/test_app.py": "from app import double\n\n\ndef test_double():\n    assert double(2) == 4\n",
}


@pytest.fixture
def run_on(somagent: Shell, repository):
    """Runs the capsule on a repository; returns how the command ended."""
    capsule = str(repository / "workflows/library/repo-health/repo-health.capsule.yaml")

    def run(path: Any) -> Any:
        return somagent("run", capsule, "--input", f"repo={path}", "--input", AS_OF, "--output", "json")

    return run


def phases(run: dict[str, Any]) -> dict[str, str]:
    """The phase of every step."""
    return {name: step["phase"] for name, step in run["steps"].items()}


def artifact(somagent: Shell, name: str, folder: str) -> bytes:
    """The bytes of an artifact of the last run."""
    copied = somagent("artifacts", "last", name, "--to", folder, "--output", "json")
    assert copied.code == 0, copied.err
    return (somagent.folder / copied.json["path"]).read_bytes()


def test_a_healthy_repository_is_handed_on_without_asking_anyone(repo, run_on, somagent):
    repo.commit(HEALTHY)

    ended = run_on(repo.path)

    assert ended.code == 0, ended.err
    run = ended.json
    assert set(phases(run).values()) == {"Succeeded"}
    assert run["steps"]["checks"]["attempts"] == 12
    outputs = run["outputs"]
    assert (outputs["score"], outputs["grade"], outputs["verdict"], outputs["findings"]) == (100, "A", "allow", [])
    assert outputs["inventory"]["commits"] == 1
    assert run["steps"]["approval"]["outputs"]["decision"] == "allow"

    (somagent.folder / "bundle.zip").write_bytes(artifact(somagent, "bundle", "got"))
    with zipfile.ZipFile(somagent.folder / "bundle.zip") as bundle:
        names = {name.rpartition("/")[2] for name in bundle.namelist()}
    assert names >= {"report.html", "findings.json", "findings.sarif"}


def test_a_leaked_secret_denies_the_bundle_and_stays_unseen(repo, run_on, somagent, credentials):
    secret = credentials.make("github-token")
    repo.commit(HEALTHY)
    repo.commit({"config.py": f"T = '{secret}'\n"})
    repo.commit({"config.py": "T = 1\n"})

    ended = run_on(repo.path)

    assert ended.code == 1
    steps = phases(ended.json)
    assert (steps["report"], steps["gate"], steps["package"]) == ("Succeeded", "Failed", "Omitted")
    assert "no-leaked-secrets" in json.dumps(ended.json["steps"]["gate"])
    report = artifact(somagent, "report.html", "got")
    told = [ended.out, ended.err, somagent("logs", "last").out, report.decode()]
    told += [artifact(somagent, f"report.{name}", "got").decode() for name in ("json", "sarif")]
    assert b"github-token" in report
    assert not any(secret in text or secret[8:] in text for text in told)


def test_a_low_score_waits_for_a_person_who_then_hands_it_on(repo, run_on, somagent):
    repo.commit({"src/app.py": "x = 1\n" * 20, "keys/a.p12": b"x"})

    ended = run_on(repo.path)

    assert ended.code == 3
    run = ended.json
    assert run["steps"]["gate"]["outputs"]["verdict"] == "require_review"
    assert run["steps"]["score"]["outputs"]["score"] < 60
    assert phases(run)["approval"] == "Waiting"
    approved = somagent("approve", run["id"], "approval", "--as", "ann")
    assert approved.code == 0, approved.err
    somagent("resume", run["id"])
    shown = somagent("show", run["id"], "--output", "json").json
    assert (shown["phase"], shown["steps"]["approval"]["outputs"]["by"]) == ("Succeeded", ["ann"])


def test_an_accepted_secret_waits_for_a_person(repo, run_on, credentials, judge):
    repo.commit(HEALTHY)
    repo.commit({"config.py": f"T = '{credentials.make('npm-token')}'\n"})
    repo.commit({"config.py": "T = 1\n"})
    identifier = judge(repo).findings("secrets")[0]["id"]
    repo.commit({".repo-health-allow": f"{identifier} revoked in May\n"})

    ended = run_on(repo.path)

    assert ended.code == 3
    gate = ended.json["steps"]["gate"]["outputs"]
    assert (gate["verdict"], gate["rules"]) == ("require_review", ["accepted-secrets-need-a-person"])


def test_a_repository_without_commits_waits_for_a_person(repo, run_on):
    ended = run_on(repo.path)
    assert ended.code == 3
    score = ended.json["steps"]["score"]["outputs"]
    assert (score["score"], [finding["check"] for finding in score["findings"]]) == (0, ["repository"])


def test_bare_shallow_and_odd_repositories_go_through(repo, make_repo, run_on, tmp_path):
    module = make_repo("module")
    module.commit({"m.txt": "m\n"})
    repo.commit(HEALTHY | {"naïve/日本.py": "x = 1\r\ny = 2", 'tab\t"q".py': "x = 1\n", "b.bin": b"\0" * 100})
    repo.git("submodule", "add", "-q", str(module.path), "sub")
    (repo.path / "link").symlink_to("README.md")
    repo.commit(author="Zoë Ångström <zoe@example.org>")
    repo.git("checkout", "-q", "--detach")
    repo.git("clone", "-q", "--bare", str(repo.path), str(tmp_path / "bare.git"))
    repo.git("clone", "-q", "--depth", "1", f"file://{repo.path}", str(tmp_path / "shallow"))
    for path in (repo.path, tmp_path / "bare.git", tmp_path / "shallow"):
        ended = run_on(path)
        assert ended.code == 0, ended.err
        assert ended.json["outputs"]["inventory"]["submodules"] == 1


def test_the_same_repository_at_the_same_instant_gives_the_same_bytes(repo, run_on):
    repo.commit(HEALTHY)
    repo.git("gc", "-q")
    first, second = (run_on(repo.path).json["outputs"] for _ in range(2))
    assert first["report"] == second["report"]
    assert first["sarif"] == second["sarif"]
    assert first["findings"] == second["findings"]


def test_what_is_no_repository_fails_the_first_step_in_one_line(run_on, tmp_path):
    (tmp_path / "plain").mkdir()
    ended = run_on(tmp_path / "plain")
    assert ended.code == 1
    assert phases(ended.json)["snapshot"] == "Failed"
    assert "plain is not a git repository" in json.dumps(ended.json["steps"]["snapshot"])


def test_a_relative_path_is_taken_from_where_the_run_is_started(run_on, somagent):
    subprocess.run(["git", "init", "-q", "project"], cwd=somagent.folder, check=True)
    ended = run_on("project")
    assert ended.json["inputs"]["repo"] == str(somagent.folder / "project")
    assert phases(ended.json)["snapshot"] == "Succeeded"


def test_the_capsule_and_its_constitution_have_no_mistake(somagent, repository):
    folder = repository / "workflows/library/repo-health"
    ended = somagent("check", str(folder / "repo-health.capsule.yaml"), str(folder / "constitution.yaml"))
    assert ended.code == 0, ended.out + ended.err


def test_its_own_tests_pass_and_take_every_way(somagent: Shell) -> None:
    ended = somagent("test", "repo-health", "--min-coverage", "100", "--output", "json")
    assert (ended.code, ended.err) == (0, "")
    assert {case["name"]: case["notes"] for case in ended.json["cases"] if case["notes"]} == {}
