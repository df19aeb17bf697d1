"""What is measured: files, lines, languages, people, dates, churn; right for the odd cases that git allows."""

from __future__ import annotations

import os

import pytest


def facts_of(judged, path):
    """The facts of one path."""
    return judged.context.by_path[path]


@pytest.mark.parametrize(
    ("content", "lines", "binary"),
    [
        (b"", 0, False),
        (b"one\n", 1, False),
        (b"one\ntwo", 2, False),
        (b"one\r\ntwo\r\n", 2, False),
        (b"\n\n\n", 3, False),
        (b"a\0b\n", None, True),
        ("eins\nzwei\n".encode("utf-16"), 2, False),
        (b"\xff\xfe", 0, False),
        (b"x" * 9000 + b"\0\n", 1, False),
        ("naïve\u2028text\n".encode(), 1, False),
    ],
)
def test_lines_are_counted_as_editors_count_them(repo, judge, content, lines, binary):
    repo.commit({"file": content})
    file = facts_of(judge(repo), "file")
    assert (file.lines, file.binary, file.size) == (lines, binary, len(content))


def test_kinds_of_entries_are_told_apart(repo, make_repo, judge):
    module = make_repo("module")
    module.commit({"m.txt": "m\n"})
    repo.write({"plain": "p\n", "tool": "#!/bin/sh\n"})
    (repo.path / "tool").chmod(0o755)
    (repo.path / "link").symlink_to("plain")
    repo.git("submodule", "add", "-q", str(module.path), "sub")
    repo.commit()

    judged = judge(repo)

    kinds = {path: (file.kind, file.executable) for path, file in judged.context.by_path.items()}
    assert kinds == {
        ".gitmodules": ("file", False),
        "plain": ("file", False),
        "tool": ("file", True),
        "link": ("symlink", False),
        "sub": ("submodule", False),
    }
    assert {name: judged.summary[name] for name in ("files", "symlinks", "submodules")} == {
        "files": 3,
        "symlinks": 1,
        "submodules": 1,
    }


def test_a_change_of_mode_alone_is_a_commit_without_lines(repo, judge):
    repo.commit({"tool.sh": "echo\n"})
    (repo.path / "tool.sh").chmod(0o755)
    repo.commit()

    file = facts_of(judge(repo), "tool.sh")

    assert (file.commits, file.added, file.deleted, file.executable) == (2, 1, 0, True)


def test_names_outside_ascii_and_outside_utf8_are_kept(repo, judge):
    raw = os.fsdecode(b"latin-\xe9.txt")
    odd = {"naïve/日本語.py": "x = 1\n", 'quote"tab\tline\nend.txt': "a\n", raw: "b\n"}
    repo.commit(odd, author="Zoë Ωmega <zoe@example.org>")

    judged = judge(repo)

    assert set(odd) == set(judged.context.by_path)
    assert all(file.commits == 1 for file in judged.context.facts.files)
    assert judged.context.text(raw) == "b\n"
    assert judged.summary["top_authors"] == [{"name": "Zoë Ωmega", "commits": 1}]


def test_a_commit_in_another_encoding_still_has_its_author(repo, judge):
    repo.git("config", "i18n.commitEncoding", "ISO-8859-1")
    repo.write({"a.txt": "a\n"})
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "x", env={"GIT_AUTHOR_NAME": os.fsdecode("José".encode("latin-1"))})
    assert judge(repo).summary["top_authors"] == [{"name": "José", "commits": 1}]


def test_people_are_joined_by_the_mailmap(repo, judge):
    repo.commit({"a.txt": "1\n"}, author="Bob <bob@home.example>")
    repo.commit({"a.txt": "2\n"}, author="Robert <BOB@work.example>")
    repo.commit({".mailmap": "Robert Roe <bob@work.example> <bob@home.example>\nRobert Roe <bob@work.example>\n"})

    summary = judge(repo).summary

    assert summary["top_authors"] == [{"name": "Robert Roe", "commits": 2}, {"name": "Ann", "commits": 1}]


def test_churn_counts_the_year_before_the_newest_commit(repo, judge):
    repo.commit({"a.py": "1\n"}, days_ago=900)
    repo.commit({"a.py": "1\n2\n"}, days_ago=600)
    repo.commit({"a.py": "0\n2\n3\n"}, days_ago=400, author="Bob <bob@example.org>")
    repo.commit({"b.py": "1\n"}, days_ago=390)

    judged = judge(repo)

    file = facts_of(judged, "a.py")
    assert (file.commits, file.added, file.deleted, file.authors) == (2, 3, 1, 2)
    assert judged.summary["churn"] == {"days": 365, "commits": 3, "authors": 2, "added": 4, "deleted": 1}
    assert judged.summary["age_days"] == 900
    assert judged.summary["first_commit"] == "2023-07-16T00:00:00Z"


def test_a_merge_is_a_commit_and_no_change(repo, judge):
    repo.commit({"a.py": "1\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"b.py": "1\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a.py": "1\n2\n"})
    repo.git("merge", "-q", "--no-edit", "side")

    judged = judge(repo)

    assert judged.summary["commits"] == 4
    assert (facts_of(judged, "a.py").commits, facts_of(judged, "b.py").commits) == (2, 1)


def test_a_commit_that_touches_everything_says_nothing_about_one_file(repo, judge):
    repo.commit({f"f{number}.py": "1\n" for number in range(501)})
    repo.commit({"f1.py": "2\n"})

    judged = judge(repo)

    assert (facts_of(judged, "f1.py").commits, facts_of(judged, "f2.py").commits) == (1, 0)
    assert judged.summary["churn"]["added"] == 502


def test_history_is_read_to_the_limit_and_the_cut_is_told(repo, judge):
    for number in range(5):
        repo.commit({"a.txt": f"{number}\n"})
    summary = judge(repo, history=3).summary
    assert (summary["commits"], summary["commits_limited"]) == (3, True)
    summary = judge(repo, history=5).summary
    assert (summary["commits"], summary["commits_limited"]) == (5, False)


def test_languages_are_shares_of_own_code_by_lines(repo, judge):
    repo.commit(
        {
            "src/a.py": "x\n" * 60,
            "tests/test_a.py": "x\n" * 15,
            "web/app.ts": "x\n" * 20,
            "bin/run": "#!/usr/bin/env bash\n" + "x\n" * 4,
            "vendor/lib/x.go": "x\n" * 500,
            "web/dist/app.min.js": "x\n" * 500,
            "README.md": "x\n" * 500,
            "data.json": "{}\n",
        }
    )
    rows = judge(repo).summary["languages"]
    assert [(row["name"], row["lines"], row["share"]) for row in rows] == [
        ("Python", 75, 0.75),
        ("TypeScript", 20, 0.2),
        ("Shell", 5, 0.05),
    ]


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("src/app.py", "code"),
        ("src/test_app.py", "test"),
        ("pkg/app_test.go", "test"),
        ("src/App.test.tsx", "test"),
        ("src/AppTest.java", "test"),
        ("src/contest.py", "code"),
        ("src/latest.js", "code"),
        ("tests/data/big.json", "test"),
        ("docs/guide.md", "docs"),
        ("config/settings.yaml", "data"),
        ("node_modules/x/index.js", "vendored"),
        ("third_party/x.c", "vendored"),
        ("api/service_pb2.py", "generated"),
        ("package-lock.json", "generated"),
        ("Cargo.lock", "generated"),
        ("Makefile", "code"),
    ],
)
def test_the_role_of_a_file_comes_from_its_path(path, role):
    from repo_health.languages import language_of, role_of

    assert role_of(path, language_of(path)) == role


def test_a_very_large_file_is_counted_and_not_read(repo, judge):
    repo.commit({"big.txt": b"line\n" * (5 << 20)})
    file = facts_of(judge(repo), "big.txt")
    assert (file.size, file.lines, file.binary, file.is_text) == (25 << 20, None, False, False)


def test_facts_come_back_from_their_file_as_they_were(repo, judge, tmp_path):
    from repo_health.facts import Facts

    repo.commit({os.fsdecode(b"\xe9.py"): "x\n", "b.bin": b"\0"})
    facts = judge(repo).context.facts
    facts.save(tmp_path)
    assert Facts.load(tmp_path).files == facts.files
