"""The first step copies what is committed, from every kind of repository, and never touches the original."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Digests = dict[str, str]


def everything_in(folder: Path) -> Digests:
    """A digest of every file's bytes, mode and time of change."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes() + f"{path.stat().st_mode} {path.stat().st_mtime_ns}".encode()
        ).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_copy_is_whole_without_the_original(repo, judge, tmp_path):
    head = repo.commit({"a.txt": "one\n", "b/c.txt": "two\n"})
    judged = judge(repo)
    repo.path.rename(tmp_path / "elsewhere")

    assert judged.context.snapshot.head == head
    assert judged.context.snapshot.branch == "main"
    assert judged.context.text("b/c.txt") == "two\n"
    assert judged.context.git.run("fsck", "--full", "--strict") == b""


def test_what_is_not_committed_is_not_seen(repo, judge):
    repo.commit({"a.txt": "committed\n"})
    repo.write({"a.txt": "changed\n", "new.txt": "new\n"})
    repo.git("add", "new.txt")

    judged = judge(repo)

    assert judged.context.text("a.txt") == "committed\n"
    assert "new.txt" not in judged.context.by_path


def test_the_original_is_left_as_it_was(repo, judge):
    repo.commit({"a.txt": "one\n"})
    repo.git("gc", "-q")
    repo.commit({"a.txt": "two\n"})
    before = everything_in(repo.path)

    judge(repo).check("secrets")

    assert everything_in(repo.path) == before


def test_a_bare_repository_can_be_judged(repo, judge, tmp_path):
    head = repo.commit({"a.txt": "one\n"})
    repo.git("clone", "-q", "--bare", str(repo.path), str(tmp_path / "bare.git"))

    snapshot = judge(tmp_path / "bare.git").context.snapshot

    assert (snapshot.name, snapshot.head) == ("bare", head)


def test_the_git_folder_itself_can_be_named(repo, judge):
    head = repo.commit({"a.txt": "one\n"})
    snapshot = judge(repo.path / ".git").context.snapshot
    assert (snapshot.name, snapshot.head) == ("project", head)


def test_a_linked_work_tree_has_its_own_head(repo, judge, tmp_path):
    first = repo.commit({"a.txt": "one\n"})
    repo.commit({"a.txt": "two\n"})
    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), first)

    judged = judge(tmp_path / "linked")

    assert judged.context.snapshot.head == first
    assert judged.context.text("a.txt") == "one\n"


def test_a_shallow_clone_is_judged_as_far_as_it_reaches(repo, judge, tmp_path):
    for text in ("one\n", "two\n", "three\n"):
        head = repo.commit({"a.txt": text})
    repo.git("clone", "-q", "--depth", "2", f"file://{repo.path}", str(tmp_path / "shallow"))

    judged = judge(tmp_path / "shallow")

    assert judged.context.snapshot.shallow
    assert judged.context.snapshot.head == head
    assert judged.summary["commits"] == 2
    assert judged.check("secrets")["notes"][-1].startswith("the repository is shallow")


def test_a_detached_head_has_no_branch(repo, judge):
    first = repo.commit({"a.txt": "one\n"})
    repo.commit({"a.txt": "two\n"})
    repo.git("checkout", "-q", "--detach", first)

    snapshot = judge(repo).context.snapshot

    assert (snapshot.head, snapshot.branch) == (first, None)


def test_a_repository_without_commits_is_no_error(repo, judge):
    judged = judge(repo)
    assert judged.context.snapshot.head is None
    assert judged.summary["files"] == 0
    assert judged.check("licence")["applies"] is False


def test_a_head_that_names_a_missing_branch_is_told_apart_from_an_empty_repository(repo, judge):
    repo.commit({"a.txt": "one\n"})
    repo.git("symbolic-ref", "HEAD", "refs/heads/master")

    summary = judge(repo).summary

    assert (summary["head"], summary["branch"], summary["refs"]) == ("", "master", 1)


def test_a_repository_with_sha256_ids_can_be_judged(make_repo, judge):
    repo = make_repo("modern", "--object-format=sha256")
    head = repo.commit({"a.txt": "one\n"})
    assert len(head) == 64
    assert judge(repo).context.snapshot.head == head


def test_objects_borrowed_from_another_repository_are_copied(repo, judge, tmp_path):
    repo.commit({"a.txt": "one\n"})
    repo.git("clone", "-q", "--shared", str(repo.path), str(tmp_path / 'odd:"name'))

    assert judge(tmp_path / 'odd:"name').context.text("a.txt") == "one\n"


def test_a_branch_whose_commit_is_missing_is_left_out_and_named(repo, judge):
    repo.commit({"a.txt": "one\n"})
    (repo.path / ".git/refs/heads/lost").write_text("1" * 40 + "\n")

    snapshot = judge(repo).context.snapshot

    assert snapshot.broken_refs == ["refs/heads/lost"]
    assert snapshot.refs == 1


def test_the_address_of_origin_is_shown_without_its_password(repo, judge):
    repo.commit({"a.txt": "one\n"})
    repo.git("remote", "add", "origin", "https://ann:hunter2secret@git.example.org:8443/team/project.git?x=1")
    assert judge(repo).context.snapshot.origin == "https://git.example.org:8443/team/project.git"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("git@github.com:team/project.git", "github.com:team/project.git"),
        ("ssh://git@example.org/p.git", "ssh://example.org/p.git"),
        ("/home/ann/project", ""),
        ("file:///home/ann/project", ""),
        ("https://[broken", ""),
    ],
)
def test_addresses_of_other_forms(url, shown):
    from repo_health.snapshot import public_url

    assert public_url(url) == shown


def refused(run_program: Callable, repo: object) -> str:
    """The one line that the first step says when it refuses the repository."""
    ended = run_program("snapshot", {"REPO": str(repo), "AS_OF": ""})
    assert ended.code == 1
    assert ended.outputs == {}
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_a_folder_that_is_no_repository_is_refused_in_one_line(run_program, tmp_path):
    (tmp_path / "plain").mkdir()
    assert f"{tmp_path}/plain is not a git repository" in refused(run_program, tmp_path / "plain")


def test_a_missing_folder_and_a_file_are_refused(run_program, tmp_path):
    (tmp_path / "file").touch()
    assert "is not there" in refused(run_program, tmp_path / "missing")
    assert "is not a folder" in refused(run_program, tmp_path / "file")


def test_a_relative_path_is_refused_with_the_reason(run_program):
    assert "must be an absolute path" in refused(run_program, "../project")


def test_a_folder_inside_a_repository_is_refused_with_the_right_path(repo, run_program):
    repo.commit({"deep/er/a.txt": "one\n"})
    assert f"inside the repository {repo.path}; pass that" in refused(run_program, repo.path / "deep" / "er")


def test_a_folder_inside_a_bare_repository_is_refused_with_the_right_path(make_repo, run_program):
    repo = make_repo("bare.git", "--bare")
    assert f"inside the repository {repo.path}; pass that" in refused(run_program, repo.path / "objects")


def test_an_instant_that_is_none_is_refused(repo, run_program):
    repo.commit({"a.txt": "one\n"})
    ended = run_program("snapshot", {"REPO": str(repo.path), "AS_OF": "yesterday"})
    assert (ended.code, "`as_of` is no instant: 'yesterday'" in ended.stderr) == (1, True)


def test_without_git_the_message_says_so(repo, run_program, tmp_path):
    (tmp_path / "empty").mkdir()
    ended = run_program("snapshot", {"REPO": str(repo.path), "AS_OF": ""}, path=str(tmp_path / "empty"))
    assert (ended.code, ended.stderr) == (
        1,
        "repo-health: git is not on the PATH; install git 2.30 or newer and run again\n",
    )


def test_a_damaged_repository_is_refused(repo, run_program):
    repo.commit({"a.txt": "one\n"})
    blob = repo.git("rev-parse", "HEAD:a.txt")
    (repo.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert "the repository is damaged" in refused(run_program, repo.path)


def test_a_partial_clone_is_refused_with_the_way_out(repo, run_program, tmp_path):
    repo.commit({"a.txt": "one\n"})
    repo.commit({"a.txt": "two\n"})
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{repo.path}", str(tmp_path / "partial"))
    said = refused(run_program, tmp_path / "partial")
    assert "partial clone" in said
    assert "git fetch --refetch" in said


def test_an_unreadable_folder_is_refused(repo, run_program):
    repo.commit({"a.txt": "one\n"})
    repo.path.chmod(0)
    try:
        ended = run_program("snapshot", {"REPO": str(repo.path), "AS_OF": ""}, powerless=True)
    finally:
        repo.path.chmod(0o755)
    assert ended.code == 1
    assert (
        ended.stderr == f"repo-health: {repo.path} cannot be read: Permission denied; run as a user who may read it\n"
    )


@pytest.mark.parametrize(
    "bait", ["core.fsmonitor", "core.pager", "diff.external", "core.sshCommand", "gpg.program", "core.hooksPath"]
)
def test_programs_named_in_the_configuration_are_not_run(repo, judge, tmp_path, bait):
    trap = tmp_path / "trap"
    trap.mkdir()
    program = trap / "post-checkout" if bait == "core.hooksPath" else trap / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    program.chmod(0o755)
    repo.commit({"a.txt": "one\n", ".gitattributes": "*.txt diff=odd filter=odd\n"})
    repo.git("config", "--local", bait, str(trap if bait == "core.hooksPath" else program))
    for setting in (
        "diff.odd.textconv",
        "diff.odd.command",
        "filter.odd.smudge",
        "filter.odd.clean",
        "uploadpack.packObjectsHook",
    ):
        repo.git("config", "--local", setting, str(program), env={"GIT_PAGER": "cat"})
    repo.git("config", "--local", "log.showSignature", "true")

    judged = judge(repo)
    for name in ("secrets", "binaries", "risky_files"):
        judged.check(name)

    assert not (tmp_path / "sprung").exists()


def test_missing_objects_are_not_fetched_by_a_program_of_the_repository(repo, run_program, tmp_path):
    repo.commit({"a.txt": "one\n"})
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    program.chmod(0o755)
    for setting, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", str(tmp_path)),
        ("remote.origin.promisor", "true"),
        ("remote.origin.uploadpack", str(program)),
    ):
        repo.git("config", "--local", setting, value)
    blob = repo.git("rev-parse", "HEAD:a.txt")
    (repo.path / ".git/objects" / blob[:2] / blob[2:]).unlink()

    assert run_program("snapshot", {"REPO": str(repo.path), "AS_OF": ""}).code == 1
    assert not (tmp_path / "sprung").exists()


def test_a_repository_of_another_owner_can_be_judged(repo, judge):
    head = repo.commit({"a.txt": "one\n"})
    if os.getuid() == 0:
        for path in (repo.path, *repo.path.rglob("*")):
            os.chown(path, 65534, 65534)
    assert judge(repo).context.snapshot.head == head


def test_settings_of_the_surrounding_environment_do_not_reach_git(repo, judge, tmp_path):
    repo.commit({"a.txt": "one\n"})
    judged = judge(repo)
    assert set(judged.context.git.environment()) & {"GIT_DIR", "GIT_CONFIG_GLOBAL", "GIT_EXTERNAL_DIFF"} == set()
    assert judged.context.git.environment()["HOME"] != os.environ.get("HOME")
    assert sys.executable  # the interpreter that ran the programs above
