"""Content made to hurt whoever reads it costs little and breaks nothing."""

from __future__ import annotations

import resource

import pytest
from repo_health.checks import REGISTRY

MANY = 200_000
HOSTILE = {
    "README.md": "[" * MANY + "\n" + "![a](" * 50_000 + "\n" + "#" * MANY + "\n",
    ".github/workflows/a.yml": "on: push\njobs:\n  a:\n    steps:\n      - run: " + "curl echo ${{ " * 60_000 + "\n",
    ".gitlab-ci.yml": "script: " + "mvn gradle sbt make " * 40_000 + "\n",
    ".github/CODEOWNERS": "*a" * 200 + " @x\n" + "**/a/" * 200 + "b @x\n" + "@" * MANY + "\n",
    "package.json": "[" * MANY,
    "lib/package.json": '{"dependencies": ' * 50_000,
    "pyproject.toml": "a = " + "[" * MANY,
    "requirements.txt": "@" * MANY + "\n" + "=" * MANY + "\n" + "a\\\n" * 50_000,
    "Makefile": "test " * MANY + "\n",
    "conflict.py": "<<<<<<< \n" * 100_000,
    "tests/test_deep.py": "(" * MANY + "\n",
    "tests/test_long.py": "x = " + "-" * MANY + "1\n",
    "jwt.txt": "eyJ-" * MANY,
    "keys.txt": "-----BEGIN PRIVATE KEY-----\n" * 30_000,
    "half.pem": "-----BEGIN PRIVATE KEY-----\n" + "A" * MANY,
    "quotes.py": '="' * MANY + "password" + "'=" * MANY,
    "names.yaml": ("password." * 20 + "\n") * 10_000 + " " * MANY + "secret" + " " * MANY + "\n",
    "url.txt": "a://b:" * MANY + "\n" + "https://" + "a" * MANY + ":",
    "Dockerfile": "FROM " + "--a " * MANY + "\n",
    "a" * 250 + ".py": "x\n",
    "/".join("a" * 20 for _ in range(40)) + "/x.py": "x\n",
}


def cpu_time() -> float:
    """CPU seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", list(REGISTRY))
def test_no_check_can_be_kept_busy_or_broken(repo, judge, name):
    repo.commit(HOSTILE)
    judged = judge(repo)
    before = cpu_time()

    outputs = judged.check(name)

    assert outputs["check"] == name
    assert cpu_time() - before < 15  # measured: 3 s for secrets, under 0.5 s for the others


@pytest.mark.parametrize(
    "date", ["0 +0000", "99999999999 +0000", "253402300800 +0000", "18446744073709551614 +0000", "x"]
)
def test_dates_outside_any_calendar_are_survived(repo, judge, date):
    first = repo.commit({"a.txt": "x\n"})
    tree = repo.git("rev-parse", "HEAD^{tree}")
    text = f"tree {tree}\nparent {first}\nauthor A <a@x> {date}\ncommitter A <a@x> {date}\n\nodd\n"
    odd = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=text.encode())
    repo.git("update-ref", "refs/heads/main", odd)

    judged = judge(repo)

    assert judged.summary["commits"] == 2
    assert len(judged.summary["last_commit"]) == 20
    assert judged.check("activity")["applies"] is True


def test_an_author_without_name_or_address_is_one_person(repo, judge):
    tree = repo.git("mktree")
    text = f"tree {tree}\nauthor  <> 1760000000 +0000\ncommitter  <> 1760000000 +0000\n\nodd\n"
    odd = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=text.encode())
    repo.git("update-ref", "refs/heads/main", odd)

    summary = judge(repo).summary

    assert summary["top_authors"] == [{"name": "(no name)", "commits": 1}]
    assert summary["files"] == 0


def test_a_tree_with_a_thousand_branches_and_tags_is_copied(repo, judge):
    head = repo.commit({"a.txt": "x\n"})
    lines = "".join(f"create refs/heads/b/{n}\0{head}\0create refs/tags/t{n}\0{head}\0" for n in range(500))
    repo.git("update-ref", "-z", "--stdin", stdin=lines.encode())
    judged = judge(repo)
    assert judged.context.snapshot.refs == 1001
    assert sum(1 for path in (judged.folder / "repository.git").rglob("*") if path.is_file()) < 20
