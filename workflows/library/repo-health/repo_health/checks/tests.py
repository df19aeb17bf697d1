"""Whether there are tests and whether a person could run them, judged without running anything.

"Runnable" means two things here: something in the repository says how tests are started (a runner's configuration, a
script, a language whose own tool runs them), and every Python test file parses. That the tests pass is not claimed.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator

from ..context import Context
from ..facts import FileFact
from ..findings import Finding
from ..languages import CODE, CODE_LANGUAGES, TEST, is_example
from ..runners import find_runners
from ..text import lines_of, plural
from .form import Check, Outcome, nothing

# Files that hold test cases, as against helpers, fixtures and data in test folders.
CASES = re.compile(
    r"(?:^|/)(?:test_[^/]*|tests?)\.py$|_test\.(?:py|go|dart|exs|rb|c|cc|cpp|rs)$|_test\.rego$|_spec\.(?:rb|lua"
    r"|js)$|\.bats$"
    r"|\.(?:test|spec|e2e|cy)\.[cm]?[jt]sx?$|(?:^|/)__tests__/.+\.[cm]?[jt]sx?$|(?:^|/)t/[^/]+\.t$"
    r"|[^/](?:Tests?|IT|Spec)\.(?:java|kt|scala|groovy|cs|fs|swift|php)$"
    r"|(?:^|/)tests?/.+\.(?:rs|c|cc|cpp|cxx|php|rb|sh|lua|jl|ex|exs|hs|ml|swift|js|mjs|ts)$|(?:^|/)tests?\.(?:js|ts"
    r"|sh)$"
)
HELPERS = re.compile(
    r"(?:^|/)(?:setup|helpers?|utils?|common)\.\w+$|(?:^|/)(?:fixtures?|testdata|data|helpers|support|mocks?)/"
)
REQUIRES = re.compile(r"requires-python\s*=\s*[\"']\s*(?:>=|~=|==)\s*3\.(\d+)")
FOCUSED = re.compile(r"^\s*(?:(?:describe|it|test|context)\.only|fdescribe|fit)\s*\(")
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
        "no test was run: runnable means that a runner is set up and Python's test files parse",
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


def unittest_runner(context: Context, cases: list[FileFact]) -> set[str]:
    """`python -m unittest` needs no configuration, only test cases of its kind."""
    python = context.contents(f for f in cases if f.language == "Python")
    return {"unittest"} if any(b"unittest" in text and b"TestCase" in text for _, text in python) else set()


def inline_rust_tests(context: Context, code: list[FileFact]) -> list[FileFact]:
    """Rust keeps unit tests in the file they test."""
    return [f for f, text in context.contents(f for f in code if f.language == "Rust") if b"#[cfg(test)]" in text]


def broken_python(context: Context, cases: list[FileFact]) -> Iterator[Finding]:
    """Python test files that this Python cannot read, unless the project says that it needs a newer one."""
    declared = REQUIRES.search(context.text("pyproject.toml") or "")
    if declared and int(declared[1]) > sys.version_info.minor:
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
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
                "high" if declared else "medium",
                f"The test file does not parse with Python {version}: {reason}",
                "Mend the syntax, since a runner stops at this file; or declare a newer `requires-python`.",
                file.path,
                (fault.lineno or None) if isinstance(fault, SyntaxError) else None,
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
