"""Files that are dangerous by being there."""

from __future__ import annotations

import os

import pytest


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("deploy/id_rsa", "high"),
        ("keys/server.p12", "high"),
        (".netrc", "high"),
        ("infra/prod.tfstate", "high"),
        ("ops/.kube/config", "high"),
        (".env", "medium"),
        (".env.production", "medium"),
        ("data/users.sqlite3", "medium"),
        ("tests/fixtures/server.p12", "low"),
    ],
)
def test_a_credential_store_is_named(repo, judge, path, severity):
    repo.commit({path: b"content\n"})
    assert judge(repo).rules("risky_files") == [f"{severity} credential-store"]


@pytest.mark.parametrize(
    "path", ["id_rsa.pub", ".env.example", ".env.template", "src/env.py", "notes.md", "vendor/a.p12"]
)
def test_what_only_has_a_similar_name_is_left_alone(repo, judge, path):
    repo.commit({path: b"content\n"})
    assert judge(repo).rules("risky_files") == []


def test_a_committed_conflict_is_found_with_its_line(repo, judge):
    repo.commit({"a.py": "x = 1\n<<<<<<< HEAD\ny = 1\n=======\ny = 2\n>>>>>>> side\n"})
    assert judge(repo).findings("risky_files")[0]["line"] == 2
    assert judge(repo).rules("risky_files") == ["high conflict-marker"]


def test_a_heading_in_a_text_is_no_conflict(repo, judge):
    repo.commit({"a.py": '"""\nTitle\n=======\n>>>>>>> quoted\n"""\n'})
    assert judge(repo).rules("risky_files") == []


def test_an_invisible_direction_character_in_code_is_found(repo, judge):
    repo.commit({"a.py": "x = 1\naccess = 'user\u202e \u2066// admin\u2069 \u2066'\n", "doc.md": "\u202e\n"})
    finding = judge(repo).findings("risky_files")
    assert [(one["file"], one["line"]) for one in finding] == [("a.py", 2)]


def test_links_that_leave_or_lead_nowhere_are_found(repo, judge, make_repo):
    module = make_repo("module")
    module.commit({"inner.txt": "m\n"})
    repo.git("submodule", "add", "-q", str(module.path), "sub")
    repo.write({"dir/a.txt": "a\n"})
    for name, target in {
        "good": "dir/a.txt",
        "dir/up": "../dir",
        "here": ".",
        "into-module": "sub/inner.txt",
        "etc": "/etc/passwd",
        "dir/out": "../../elsewhere",
        "dead": "dir/b.txt",
    }.items():
        (repo.path / name).symlink_to(target)
    repo.commit()

    found = {
        f["file"]: f["id"].split(".")[1] for f in judge(repo).findings("risky_files") if f["file"] != ".gitmodules"
    }

    assert found == {"etc": "link-outside", "dir/out": "link-outside", "dead": "link-broken"}


def test_names_that_some_machines_cannot_check_out_are_found(repo, judge):
    long = "/".join(["deep-folder-name"] * 13) + "/a.txt"
    repo.commit(
        {
            "Readme.txt": "1\n",
            "README.txt": "2\n",
            "a:b.txt": "3\n",
            "aux.c": "4\n",
            long: "5\n",
            os.fsdecode(b"\xe9"): "6\n",
        }
    )
    assert sorted(judge(repo).rules("risky_files")) == [
        "low long-path",
        "low name-encoding",
        "low windows-name",
        "medium case-collision",
    ]


def test_submodules_that_cannot_be_fetched_safely_are_found(repo, judge, make_repo):
    module = make_repo("module")
    module.commit({"m.txt": "m\n"})
    for name in ("good", "plain", "evil", "lost"):
        repo.git("submodule", "add", "-q", str(module.path), name)
    repo.git("config", "-f", ".gitmodules", "submodule.good.url", "https://example.org/m.git")
    repo.git("config", "-f", ".gitmodules", "submodule.plain.url", "http://example.org/m.git")
    repo.git("config", "-f", ".gitmodules", "submodule.evil.url", "ext::sh -c touch% /tmp/x")
    repo.git("config", "-f", ".gitmodules", "--remove-section", "submodule.lost")
    repo.commit()

    assert judge(repo).rules("risky_files") == [
        "critical submodule-command",
        "medium submodule-unencrypted",
        "medium submodule-without-address",
    ]


def test_leftovers_are_one_finding(repo, judge):
    repo.commit({"a.py.orig": "x\n", "b.swp": "x\n", "dir/.DS_Store": "x\n"})
    finding = judge(repo).findings("risky_files")
    assert len(finding) == 1
    assert finding[0]["message"].startswith("3 leftovers")
