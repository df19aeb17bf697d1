"""Tests that others can start, and a machine that starts them."""

from __future__ import annotations

import pytest

CODE = {"src/app.py": "x = 1\n" * 50}
TESTS = {"tests/test_app.py": "def test_x():\n    assert True\n"}
PYTEST = {"pyproject.toml": "[tool.pytest.ini_options]\n"}


def test_code_without_tests_is_a_high_finding(repo, judge):
    repo.commit(CODE)
    assert judge(repo).rules("tests") == ["high no-tests"]


def test_much_code_without_tests_is_critical(repo, judge):
    repo.commit({"src/app.py": "x = 1\n" * 10_000})
    assert judge(repo).rules("tests") == ["critical no-tests"]


def test_documents_need_no_tests(repo, judge):
    repo.commit({"README.md": "x\n", "data.json": "{}\n"})
    assert judge(repo).check("tests")["applies"] is False
    assert judge(repo).check("ci")["applies"] is False


def test_tests_without_anything_that_starts_them(repo, judge):
    repo.commit(CODE | TESTS)
    assert judge(repo).rules("tests") == ["high no-runner"]
    repo.commit(PYTEST)
    assert judge(repo).rules("tests") == []


@pytest.mark.parametrize(
    ("test", "starter"),
    [
        ("tests/test_app.py", {"tests/conftest.py": ""}),
        ("tests/test_app.py", {"Makefile": "all: build\n\nlint test: build\n\tpython run.py\n"}),
        ("tests/test_app.py", {"tests/test_more.py": "import unittest\n\nclass A(unittest.TestCase): ...\n"}),
        ("web/app.test.ts", {"package.json": '{"scripts": {"test": "vitest"}}'}),
        ("pkg/app_test.go", {"go.mod": "module x\n"}),
        ("src/test/java/AppTest.java", {"pom.xml": "<artifactId>junit-jupiter</artifactId>\n"}),
        ("tests/app.bats", {"Makefile": ".PHONY: test\ntest:\n\tbats tests\n"}),
        ("tests/app_test.cpp", {"CMakeLists.txt": "enable_testing()\n"}),
        ("spec/app_spec.rb", {".rspec": "--color\n"}),
    ],
)
def test_what_starts_tests_is_recognised(repo, judge, test, starter):
    repo.commit(CODE | {test: "x\n"} | {name: text or "\n" for name, text in starter.items()})
    assert "no-runner" not in " ".join(judge(repo).rules("tests"))


@pytest.mark.parametrize(
    "text",
    [
        '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}',
        "{}",
        "not json",
        '{"scripts": 1}',
        "[]",
    ],
)
def test_a_placeholder_script_starts_nothing(repo, judge, text):
    repo.commit(CODE | {"web/app.test.ts": "x\n", "package.json": text})
    assert judge(repo).rules("tests") == ["high no-runner"]


def test_a_makefile_variable_is_no_target(repo, judge):
    repo.commit(CODE | TESTS | {"Makefile": "test := 1\ncheck := 2\nall:\n\ttest: x\n"})
    assert judge(repo).rules("tests") == ["high no-runner"]


def test_a_python_test_that_does_not_parse_is_found_with_its_line(repo, judge):
    repo.commit(CODE | TESTS | PYTEST | {"tests/test_bad.py": "x = 1\ndef test_y(:\n"})
    finding = judge(repo).findings("tests")[0]
    assert (finding["severity"], finding["file"], finding["line"]) == ("medium", "tests/test_bad.py", 2)


def test_it_is_graver_when_the_project_promises_this_python(repo, judge):
    bad = {"tests/test_bad.py": "def test_y(:\n"}
    repo.commit(CODE | TESTS | bad | {"pyproject.toml": '[project]\nrequires-python = ">=3.9"\n[tool.pytest.x]\n'})
    assert judge(repo).rules("tests") == ["high test-does-not-parse"]
    repo.commit({"pyproject.toml": '[project]\nrequires-python = ">=3.99"\n[tool.pytest.x]\n'})
    assert judge(repo).rules("tests") == []


def test_few_tests_for_much_code(repo, judge):
    repo.commit({"src/app.py": "x = 1\n" * 1000} | TESTS | PYTEST)
    assert judge(repo).rules("tests") == ["medium few-tests"]


def test_a_test_that_switches_the_others_off(repo, judge):
    repo.commit(
        {
            "web/app.ts": "x\n",
            "web/app.test.ts": "it('a', f)\n  it.only('b', f)\n",
            "package.json": '{"scripts":{"test":"jest"}}',
        }
    )
    finding = judge(repo).findings("tests", "focused-test")[0]
    assert (finding["severity"], finding["line"]) == ("medium", 2)


def test_rust_tests_inside_the_code_count(repo, judge):
    repo.commit({"Cargo.toml": "[package]\n", "src/lib.rs": "fn a() {}\n#[cfg(test)]\nmod tests {}\n"})
    assert judge(repo).rules("tests") == []


def test_no_ci_is_a_high_finding(repo, judge):
    repo.commit(CODE)
    assert judge(repo).rules("ci") == ["high no-ci"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".github/workflows/a.yml", "jobs: {t: {steps: [{run: pytest -q}]}}\n"),
        (".gitlab-ci.yml", "test:\n  script:\n    - npm test\n"),
        ("Jenkinsfile", "sh 'mvn -B verify'\n"),
        (".circleci/config.yml", "- run: go test ./...\n"),
        ("azure-pipelines.yml", "- script: dotnet test\n"),
        (".ci/run", "#!/bin/sh\nmake check test\n"),
        (".travis.yml", "script: tox\n"),
        (".buildkite/pipeline.yml", "- command: cargo test\n"),
    ],
)
def test_ci_that_runs_tests_is_recognised(repo, judge, path, text):
    repo.commit(CODE | {path: text})
    assert judge(repo).rules("ci") == []


def test_ci_without_a_test_command(repo, judge):
    repo.commit(CODE | {".github/workflows/a.yml": "jobs: {t: {steps: [{run: ruff check}]}}  # pytest later\n"})
    assert judge(repo).rules("ci") == ["medium ci-without-tests"]


def test_ci_taken_from_elsewhere_is_believed_and_said(repo, judge):
    repo.commit(CODE | {".gitlab-ci.yml": "include:\n  - project: corp/ci\n    file: all.yml\n"})
    result = judge(repo).check("ci")
    assert result["findings"] == []
    assert "cannot be seen from here" in result["notes"][-1]


def test_tests_whose_failure_is_thrown_away(repo, judge):
    repo.commit(
        CODE
        | {".github/workflows/a.yml": "jobs:\n  t:\n    steps:\n      - run: pytest -q || true\n", ".travis.yml": ""}
    )
    judged = judge(repo)
    assert judged.rules("ci") == ["medium failure-ignored", "medium empty-ci"]
    assert judged.findings("ci", "failure-ignored")[0]["line"] == 4
