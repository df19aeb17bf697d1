"""Licence, README and owners."""

from __future__ import annotations

import pytest

MIT = (
    "MIT License\n\nCopyright (c) 2026 Ann\n\n"
    "Permission is hereby granted, free of charge, to any person obtaining a copy\n"
)
GPL3 = (
    "GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007\n\n13. Use with the GNU Affero General Public License.\n"
    "combined with a work licensed under version 3 of the GNU Affero General Public License into a single work\n"
)
BSD = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided that\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MIT, "MIT"),
        (GPL3, "GPL-3.0"),
        (BSD, "BSD-2-Clause"),
        (BSD + "may be used to endorse or promote products derived from this\n", "BSD-3-Clause"),
        ("Apache License\n   Version 2.0, January 2004\n", "Apache-2.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n  Version 2.1, February 1999\n", "LGPL-2.1"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3, 19 November 2007\n", "AGPL-3.0"),
        ("SPDX-License-Identifier: EUPL-1.2\n", "EUPL-1.2"),
        ("Mozilla Public License Version 2.0\n====\n", "MPL-2.0"),
        ("You may not use this at all, ever, anywhere.\n", ""),
    ],
)
def test_a_licence_is_known_by_its_words(text, name):
    from repo_health.checks.licence import identify

    assert identify(text) == name


@pytest.mark.parametrize(
    ("files", "rules"),
    [
        ({"a.py": "x\n"}, ["high no-licence"]),
        ({"package.json": '{"license": "MIT"}'}, ["medium no-licence"]),
        ({"LICENSE": MIT}, []),
        ({"COPYING.md": GPL3}, []),
        ({"LICENSES/MIT.txt": MIT}, []),
        ({"LICENSE": "\n"}, ["high empty-licence"]),
        ({"LICENSE": "You may not use this at all, ever, anywhere.\n"}, ["low unknown-licence"]),
        ({"LICENSE": "All rights reserved. Internal use at Acme only.\n"}, []),
        ({"LICENSE": MIT.replace("2026 Ann", "[year] [fullname]")}, ["low licence-placeholder"]),
        ({"LICENSE": MIT, "pyproject.toml": "[project]\nlicense = 'Apache-2.0'\n"}, ["medium licence-mismatch"]),
        ({"LICENSE": MIT, "package.json": '{"license": "(MIT OR Apache-2.0)"}'}, []),
        ({"LICENSE": GPL3, "Cargo.toml": '[package]\nlicense = "GPL-3.0-or-later"\n'}, []),
        ({"LICENSE": MIT, "package.json": "{broken"}, []),
    ],
)
def test_the_licence_check(repo, judge, files, rules):
    repo.commit(files)
    assert judge(repo).rules("licence") == rules


def test_a_linked_licence_counts(repo, judge):
    repo.write({"docs/mit.txt": MIT})
    (repo.path / "LICENSE").symlink_to("docs/mit.txt")
    repo.commit()
    assert judge(repo).rules("licence") == []


GOOD = (
    "# Project\n\nWhat it is, in some words. " + "It does this and that. " * 20 + "\n\n## Install\n\n```sh\nmake\n```\n"
)
POLICIES = {"SECURITY.md": "Write to security@example.org.\n", "CONTRIBUTING.md": "Ten lines.\n"}


def test_a_good_readme_with_policies_has_no_finding(repo, judge):
    repo.commit({"README.md": GOOD} | POLICIES)
    assert judge(repo).rules("readme") == []


def test_no_readme_at_all(repo, judge):
    repo.commit({"a.py": "x\n"})
    assert judge(repo).rules("readme") == ["high no-readme", "low no-contributing", "low no-security-policy"]


def test_a_readme_that_says_too_little(repo, judge):
    repo.commit({"readme.rst": "Project\n"} | POLICIES)
    assert judge(repo).rules("readme") == ["medium short-readme"]
    repo.commit({"readme.rst": "It exists. " * 60})
    assert judge(repo).rules("readme") == ["low no-usage"]


def test_links_of_the_readme_are_followed_inside_the_repository(repo, judge):
    links = (
        "[a](docs/guide.md#part) [b](docs) ![c](<missing image.png>) [d](https://example.org/x) "
        "[e](#here) [f](mailto:x@y)\n"
        "[g](/docs/guide.md) [h](../../issues) [i](docs/caf%C3%A9.md) [j](gone.md 'title')\n\n[k]: also/gone.md\n"
        "`[code](nowhere.md)`\n```\n[fenced](nowhere.md)\n```\n"
    )
    repo.commit({"README.md": GOOD + links, "docs/guide.md": "x\n", "docs/café.md": "x\n"} | POLICIES)
    start = GOOD.count("\n")
    found = [(f["line"] - start, f["message"].split()[3]) for f in judge(repo).findings("readme", "broken-link")]
    assert found == [(2, "gone.md"), (4, "also/gone.md")]


CODE = {"src/a.py": "x\n", "src/deep/b.py": "x\n", "web/app.ts": "x\n", "docs/x.md": "x\n"}


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*", "a/b.py", True),
        ("*.py", "a/b.py", True),
        ("*.py", "a/b.pyc", False),
        ("/src/", "src/a/b.py", True),
        ("/src/", "lib/src/a.py", False),
        ("src/", "lib/src/a.py", True),
        ("docs/*", "docs/x.md", True),
        ("docs/*", "docs/deep/x.md", False),
        ("docs/**", "docs/deep/x.md", True),
        ("**/logs", "a/logs/x", True),
        ("/a/**/b", "a/b", True),
        ("/a/**/b", "a/x/y/b/c", True),
        ("src/app", "src/app/main.py", True),
        ("src/app", "src/application.py", False),
        ("/build/?.log", "build/1.log", True),
    ],
)
def test_patterns_of_codeowners(pattern, path, matches):
    from repo_health.codeowners import Rule

    assert Rule(1, "", pattern, ("@a",), ()).matches(path) is matches


def test_no_owners_is_graver_for_a_team(repo, judge):
    repo.commit(CODE)
    assert judge(repo).rules("ownership") == ["low no-owners"]
    repo.commit({"src/a.py": "y\n"}, author="Bob <bob@example.org>")
    assert judge(repo).rules("ownership") == ["medium no-owners"]
    repo.commit({"MAINTAINERS.md": "Ann\n"})
    assert judge(repo).rules("ownership") == []


def test_lines_of_codeowners_that_do_nothing(repo, judge):
    owners = (
        "# who\n/web/ @web-team\n/src/ @src # core\n/gone/ @nobody\n* @everyone ann@example.org\n/docs/ docs team\n"
    )
    repo.commit(CODE | {".github/CODEOWNERS": owners})
    found = {f["line"]: f["id"].split(".")[1] for f in judge(repo).findings("ownership") if "line" in f}
    assert found == {2: "overridden-line", 3: "overridden-line", 4: "pattern-without-file", 6: "not-an-owner"}


def test_files_that_nobody_owns(repo, judge):
    repo.commit(CODE | {"CODEOWNERS": "/web/ @web\n"})
    finding = judge(repo).findings("ownership")[0]
    assert finding["message"].startswith("4 files of 5 have no owner: CODEOWNERS, docs/x.md, src/a.py and 1 more")


def test_sections_of_gitlab_decide_each_for_itself(repo, judge):
    owners = "[Code][2] @dev\n*.py\n*.ts\n\n^[Docs] @writers\ndocs/\nCODEOWNERS @root\n"
    repo.commit(CODE | {"CODEOWNERS": owners})
    assert judge(repo).rules("ownership") == []


def test_two_codeowners_and_an_empty_one(repo, judge):
    repo.commit(CODE | {"CODEOWNERS": "* @a\n", ".github/CODEOWNERS": "# nobody\n"})
    assert sorted(judge(repo).rules("ownership")) == ["low several-codeowners", "medium empty-codeowners"]
