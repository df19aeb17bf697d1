"""Whether there are tests and whether a person could run them, judged without running anything.

"Runnable" means two things here: something in the repository says how tests are started (a runner's configuration, a
script, a language whose own tool runs them), and every Python test file parses. That the tests pass is not claimed.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator

from repo_health.checks.form import Check, Outcome, nothing
from repo_health.context import Context
from repo_health.facts import FileFact
from repo_health.findings import Finding
from repo_health.languages import CODE, CODE_LANGUAGES, TEST, is_example
from repo_health.text import lines_of, plural

# Files that hold test cases, as against helpers, fixtures and data in test folders.
CASES = re.compile(
    r"(?:^|/)test_[^/]*\.py$|_test\.(?:py|go|dart|exs|rb|c|cc|cpp|rs)$|\.(?:test|spec|e2e|cy)\.[cm]?[jt]sx?$|(?:^|/)__tests__/.+\.[cm]?[jt]sx?$"
    r"|[^/](?:Tests?|IT|Spec)\.(?:java|kt|scala|groovy|cs|fs|swift|php)$|_spec\.(?:rb|lua|js)$|\.bats$|_test\.rego$|(?:^|/)t/[^/]+\.t$"
    r"|(?:^|/)tests?/.+\.(?:rs|c|cc|cpp|cxx|php|rb|sh|lua|jl|ex|exs|hs|ml|swift|js|mjs|ts|py)$|(?:^|/)tests?\.(?:py|js|ts|sh)$"
)
HELPERS = re.compile(
    r"(?:^|/)(?:conftest|__init__|setup|helpers?|utils?|common)\.\w+$|(?:^|/)(?:fixtures?|testdata|data|helpers|support|mocks?)/"
)
# What starts tests: (what, file, pattern in it; None = the file itself says so).
RUNNERS: tuple[tuple[str, re.Pattern[str], re.Pattern[str] | None], ...] = (
    ("pytest", re.compile(r"(?:^|/)(?:pytest\.ini|\.pytest\.ini|conftest\.py)$"), None),
    ("pytest", re.compile(r"(?:^|/)pyproject\.toml$"), re.compile(r"^\[tool\.pytest\b|pytest", re.MULTILINE)),
    ("pytest", re.compile(
        r"(?:^|/)(?:setup|tox)\.cfg$|(?:^|/)[\w.-]*requirements[^/]*\.(?:txt"
        r"|in)$"), re.compile(r"pytest")),
    ("tox or nox", re.compile(r"(?:^|/)(?:tox\.ini|noxfile\.py)$"), None),
    ("make", re.compile(r"(?:^|/)(?:GNUm|[Mm])akefile$"), re.compile(
        r"^(?:\.PHONY:.*\b)?(?:test|tests|check)\s*:"
        r"|^(?:[\w.-]+ )+?(?:test|check)(?: [\w.-]+)*\s*:", re.MULTILINE)),
    ("just or task", re.compile(r"(?i)(?:^|/)(?:\.?justfile|Taskfile\.ya?ml)$"), re.compile(r"(?m)^\s*tests?\b.*:")),
    ("go test", re.compile(r"(?:^|/)go\.mod$"), None),
    ("cargo test", re.compile(r"(?:^|/)Cargo\.toml$"), None),
    ("Maven", re.compile(r"(?:^|/)pom\.xml$"), re.compile(
        r"junit|testng|surefire|spock|kotest"
        r"|scalatest", re.IGNORECASE)),
    ("Gradle", re.compile(r"(?:^|/)build\.gradle(?:\.kts)?$"), re.compile(
        r"junit|testImplementation|useJUnit"
        r"|kotlin\(\"test|spock", re.IGNORECASE)),
    ("sbt", re.compile(r"(?:^|/)build\.sbt$"), re.compile(r"Test\b|scalatest|munit|specs2")),
    ("CTest", re.compile(r"(?:^|/)CMakeLists\.txt$"), re.compile(
        r"\b(?:add_test|enable_testing"
        r"|gtest_discover_tests|catch_discover_tests)\b", re.IGNORECASE)),
    ("Meson", re.compile(r"(?:^|/)meson\.build$"), re.compile(r"^\s*test\(", re.MULTILINE)),
    ("dotnet test", re.compile(r"\.(?:cs|fs|vb)proj$"), re.compile(
        r"Microsoft\.NET\.Test\.Sdk|xunit|nunit"
        r"|MSTest", re.IGNORECASE)),
    ("RSpec or Rake", re.compile(r"(?:^|/)(?:\.rspec|Rakefile)$"), None),
    ("PHPUnit", re.compile(r"(?:^|/)phpunit\.xml(?:\.dist)?$"), None),
    ("mix test", re.compile(r"(?:^|/)mix\.exs$"), None),
    ("Bazel", re.compile(r"(?:^|/)BUILD(?:\.bazel)?$"), re.compile(r"\b\w+_test\(")),
    ("dart or flutter test", re.compile(r"(?:^|/)pubspec\.yaml$"), re.compile(r"(?m)^\s+(?:flutter_test|test):")),
    ("swift test", re.compile(r"(?:^|/)Package\.swift$"), re.compile(r"\.testTarget\(")),
    ("JavaScript runner", re.compile(
        r"(?:^|/)(?:jest|vitest|karma|playwright|cypress|ava"
        r"|wdio)\.conf(?:ig)?\.[cm]?[jt]s(?:on)?$|(?:^|/)\.mocharc"), None),
)  # fmt: skip
FOCUSED = re.compile(r"^\s*(?:(?:describe|it|test|context)\.only|fdescribe|fit)\s*\(")
NO_TEST = re.compile(r"no test specified")
FEW = 0.05  # test lines per line of code under which tests are few
ENOUGH_TO_TEST = 200  # lines of code; under that, few tests are no finding


def run(context: Context) -> Outcome:
    """Counts tests, looks for what starts them, parses those in Python."""
    files = [file for file in context.facts.files if file.is_text]
    code = [f for f in files if f.role == CODE and f.language in CODE_LANGUAGES and not is_example(f.path)]
    if not code and not any(f.role == TEST for f in files):
        return nothing("no code here that tests could test")
    cases = [f for f in files if f.role == TEST and CASES.search(f.path) and not HELPERS.search(f.path)]
    cases += inline_rust_tests(context, code)
    if not cases:
        return Outcome([_no_tests(code)], [f"{plural(len(code), 'file')} of code, no file that is named like a test"])
    runners = sorted(set(find_runners(context)) | unittest_runner(context, cases))
    findings = [*broken_python(context, cases), *focused(context, cases)]
    if not runners:
        findings.append(
            Finding(
                "tests",
                "no-runner",
                "high",
                f"{plural(len(cases), 'test file')}, and nothing in the repository says how to run them",
                "Configure a runner where people look: [tool.pytest.ini_options], a `test` script, `make test`.",
                cases[0].path,
                key="all",
            )
        )
    code_lines = sum(f.lines or 0 for f in code)
    test_lines = sum(f.lines or 0 for f in cases)
    if code_lines >= ENOUGH_TO_TEST and test_lines / code_lines < FEW:
        findings.append(
            Finding(
                "tests",
                "few-tests",
                "medium",
                f"{plural(test_lines, 'line')} of tests for {plural(code_lines, 'line')} of code "
                f"({test_lines / code_lines:.1%}; under {FEW:.0%} is few)",
                "Start with the hot spots of this report: they change most and break first.",
                key="all",
            )
        )
    languages = Counter(f.language for f in cases if f.language)
    by_language = ", ".join(f"{name} {count}" for name, count in languages.most_common(4))
    notes = [
        f"{plural(len(cases), 'test file')} ({by_language}), {test_lines:,} lines for {code_lines:,} lines of code",
        f"started by {', '.join(runners)}" if runners else "no runner found",
        "no test was run: runnable means a runner is set up and Python test files parse",
    ]
    return Outcome(findings, notes)


def _no_tests(code: list[FileFact]) -> Finding:
    return Finding(
        "tests",
        "no-tests",
        "critical" if sum(f.lines or 0 for f in code) >= 10_000 else "high",
        f"No tests for {plural(sum(f.lines or 0 for f in code), 'line')} of code",
        "Write a first test for the part that would hurt most, and a command that runs it.",
        key="all",
    )


def find_runners(context: Context) -> Iterator[str]:
    """Names of the runners that are set up."""
    for file in context.facts.files:
        if file.role in ("vendored", "generated"):
            continue
        for name, where, what in RUNNERS:
            if where.search(file.path) and (what is None or what.search(context.text(file.path) or "")):
                yield name
        if file.path.rpartition("/")[2] == "package.json" and has_test_script(context.text(file.path) or ""):
            yield "package.json script"


def has_test_script(text: str) -> bool:
    """Whether a package.json has a script for tests that is not npm's placeholder."""
    try:
        scripts = json.loads(text).get("scripts")
    except (ValueError, AttributeError):
        return False
    named = scripts.items() if isinstance(scripts, dict) else ()
    return any(
        name.partition(":")[0] in ("test", "tests") and not NO_TEST.search(str(script)) for name, script in named
    )


def unittest_runner(context: Context, cases: list[FileFact]) -> set[str]:
    """`python -m unittest` needs no configuration, only test cases of its kind."""
    python = (f for f in cases if f.language == "Python")
    return (
        {"unittest"}
        if any(re.search(r"\bunittest\b.*\n(?:.*\n)*?.*\bTestCase\b", text) for _, text in context.texts(python))
        else set()
    )


def inline_rust_tests(context: Context, code: list[FileFact]) -> list[FileFact]:
    """Rust keeps unit tests in the file they test."""
    return [f for f, text in context.contents(f for f in code if f.language == "Rust") if b"#[cfg(test)]" in text]


def broken_python(context: Context, cases: list[FileFact]) -> Iterator[Finding]:
    """Python test files that no Python of this version can read."""
    for file, content in context.contents(f for f in cases if f.language == "Python"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a strange escape is the author's matter, not a fault
                ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
            reason = fault.msg if isinstance(fault, SyntaxError) else str(fault) or type(fault).__name__
            yield Finding(
                "tests",
                "test-does-not-parse",
                "high",
                f"The test file does not parse: {reason}",
                "Mend the syntax; a runner stops at this file.",
                file.path,
                fault.lineno if isinstance(fault, SyntaxError) else None,
            )


def focused(context: Context, cases: list[FileFact]) -> Iterator[Finding]:
    """`describe.only` and its kin switch all other tests off without a word."""
    for file, text in context.texts(f for f in cases if f.language in ("JavaScript", "TypeScript")):
        for number, line in enumerate(lines_of(text), 1):
            if FOCUSED.match(line):
                yield Finding(
                    "tests",
                    "focused-test",
                    "medium",
                    "Only this test runs: the others of its file are switched off by `only`",
                    "Remove the `.only` (or the leading f), and let a lint rule forbid it.",
                    file.path,
                    number,
                )
                break


CHECK = Check(
    id="tests",
    title="Tests",
    weight=14,
    why="Without tests that others can start, every change is a guess.",
    run=run,
)
