"""Large and built files, hot spots, activity."""

from __future__ import annotations

import os
import zlib

MIB = 1 << 20


def test_large_files_of_head_by_size_and_kind(repo, judge):
    repo.commit(
        {
            "small.bin": b"\0" * 1000,
            "one.bin": b"\0" * MIB,
            "ten.bin": b"\0" * (10 * MIB),
            "fifty.bin": b"\0" * (50 * MIB),
            "text.csv": b"1,2\n" * (11 * MIB // 4),
        }
    )
    found = {f["file"]: f["severity"] for f in judge(repo).findings("binaries", "large-file")}
    assert found == {"one.bin": "low", "ten.bin": "medium", "fifty.bin": "high", "text.csv": "low"}


def test_a_large_file_that_was_removed_still_weighs(repo, judge):
    repo.commit({"data/dump.bin": os.urandom(16) * (6 * MIB // 16)})
    repo.commit({"data/dump.bin": None, "a.txt": "x\n"})
    finding = judge(repo).findings("binaries", "large-in-history")[0]
    assert finding["severity"] == "low"
    assert "6.0 MiB in history that HEAD no longer has, once at data/dump.bin" in finding["message"]


def test_programs_are_known_by_their_first_bytes_and_by_name(repo, judge):
    repo.commit(
        {
            "tool": b"\x7fELF\x02\0\0\0",
            "app.dat": b"MZ" + b"\0" * 100 + b"PE\0\0",
            "lib/x.class": b"\xca\xfe\xba\xbe\0",
            "tests/data/x.so": b"\x7fELF\0",
            "gradle/wrapper/gradle-wrapper.jar": b"PK\x03\x04\0",
            "picture.png": b"\x89PNG\0",
            "notes.exe.md": "text\n",
        }
    )
    found = {f["file"]: f["severity"] for f in judge(repo).findings("binaries", "executable")}
    assert found == {
        "tool": "medium",
        "app.dat": "medium",
        "lib/x.class": "medium",
        "tests/data/x.so": "low",
        "gradle/wrapper/gradle-wrapper.jar": "info",
    }


def test_folders_that_tools_make_are_one_finding_each(repo, judge):
    repo.commit({"web/node_modules/a/i.js": "x\n", "web/node_modules/b/i.js": "x\n", "src/__pycache__/a.pyc": b"\0pyc"})
    found = {f["message"] for f in judge(repo).findings("binaries", "built-folder")}
    assert found == {
        "web/node_modules/ is made by a tool (2 files committed)",
        "src/__pycache__/ is made by a tool (1 file committed)",
    }


def test_compressed_content_that_repeats_costs_what_git_stores(repo, judge):
    content = b"x" * MIB
    repo.commit({"a.txt": content})
    note = judge(repo).check("binaries")["notes"][0]
    assert note.startswith("1.0 MiB in 1 file of HEAD, ")
    assert len(zlib.compress(content)) < 5000
    assert note.endswith("KiB of packed history")


def grow(repo, path, commits, lines, author=""):
    """Changes a file so often and leaves it so long."""
    for number in range(commits):
        repo.commit({path: f"v = {number}\n" + "x = 1\n" * (lines - 1)}, author=author)


def test_a_hot_spot_is_large_and_often_changed(repo, judge):
    grow(repo, "src/hot.py", 8, 300)
    grow(repo, "src/small.py", 8, 299)
    grow(repo, "src/quiet.py", 7, 5000)
    grow(repo, "docs/long.md", 9, 900)

    judged = judge(repo)
    finding = judged.findings("hotspots")

    assert [(f["file"], f["severity"]) for f in finding] == [("src/hot.py", "low")]
    assert finding[0]["message"] == "8 commits by 1 author in a year x 300 lines = 2,400; 35% of all changes to code"
    assert "hottest: src/quiet.py, 7 commits x 5,000 lines = 35,000" in judged.check("hotspots")["notes"]


def test_the_worst_hot_spot_is_medium_and_first(repo, judge):
    grow(repo, "a.py", 8, 400)
    grow(repo, "b.py", 25, 800)
    assert [f["file"] for f in judge(repo).findings("hotspots")] == ["b.py", "a.py"]
    assert judge(repo).rules("hotspots") == ["medium hot-spot", "low hot-spot"]


def test_a_repository_at_rest_and_one_left_alone(repo, judge):
    repo.commit({"a.py": "x\n"}, days_ago=365)
    assert judge(repo).rules("activity") == []
    repo.commit({"a.py": "y\n"}, days_ago=366)
    repo.git("reset", "-q", "--hard", "HEAD")
    judged = judge(repo, as_of=judge(repo).context.facts.last_commit + 366 * 86_400)
    assert judged.rules("activity") == ["medium resting"]
    judged = judge(repo, as_of=judge(repo).context.facts.last_commit + 731 * 86_400)
    assert judged.rules("activity") == ["high resting"]


def test_half_of_the_commits_by_one_person(repo, judge):
    for number in range(20):
        repo.commit({"a.txt": f"{number}\n"}, author="Bob <bob@example.org>" if number % 2 else "")
    assert judge(repo).rules("activity") == ["low one-person"]
    for number in range(4):
        repo.commit({"a.txt": f"b{number}\n"}, author="Cid <cid@example.org>")
    assert judge(repo).rules("activity") == []


def test_code_that_nobody_touched_for_years(repo, judge):
    repo.commit({"old.py": "x\n" * 100, "also.py": "x\n" * 10}, days_ago=1200)
    repo.commit({"new.py": "x\n" * 50}, days_ago=10)
    finding = judge(repo).findings("activity")[0]
    assert finding["message"].startswith(
        "69% of the code (2 files) was last changed over three years ago: old.py, also.py"
    )


def test_a_commit_from_the_future_is_zero_days_old(repo, judge):
    repo.commit({"a.py": "x\n"})
    judged = judge(repo, as_of=judge(repo).context.facts.first_commit - 1000)
    assert judged.summary["age_days"] == 0
    assert judged.check("activity")["notes"][0].startswith("newest commit 0 days ago")
