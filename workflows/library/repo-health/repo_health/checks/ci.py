"""Whether a machine runs the tests on every change, and whether it would notice when they fail."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..ci_files import ci_files, without_comment
from ..context import Context
from ..facts import FileFact
from ..findings import Finding
from ..languages import CODE, TEST
from ..text import lines_of
from .form import Check, Outcome, nothing, places

_NEAR = ".{0,200}"  # bounded, so that a hostile line costs little
TESTS = re.compile(
    r"\b(?:"
    + "|".join(
        (
            r"pytest|py\.test|tox|nox|unittest|nosetests|hatch (?:run|test)",
            r"(?:npm|pnpm|yarn|bun)(?: run)? (?:-\S+ )*t(?:est)?\b|jest|vitest|mocha|karma|playwright test|cypress",
            r"go test|gotestsum|cargo (?:test|nextest)|dotnet test|swift test|flutter test|dart test|mix test",
            rf"mvnw?\b{_NEAR}\b(?:test|verify|install|package)|gradlew?\b{_NEAR}\b(?:test|check|build)|sbt {_NEAR}test",
            rf"xcodebuild {_NEAR}test|ctest|meson test|bazel(?:isk)? test|make\b{_NEAR}\b(?:test|check)\b",
            r"rspec|rake|bundle exec|phpunit|pest|prove|bats|R CMD check|opa test|just test|task test",
            r"(?:run[_-]?)?tests?\.sh|molecule test|helm (?:unit)?test|kubeconform|terraform (?:test|validate)",
        )
    )
    + r")\b",
    re.IGNORECASE,
)
SWALLOWED = re.compile(r"\|\|\s*(?:true|:|exit 0|echo\b.*)\s*[\"']?$")
REUSED = re.compile(
    r"^\s*(?:-\s+)?(?:uses:\s*\S+\.ya?ml|include:|-?\s*(?:template|project|component|remote|local):|\w*library\b"
    r"|orbs:)|@Library"
)


def run(context: Context) -> Outcome:
    """Finds the CI systems, then looks for test commands in their files."""
    found = ci_files(context)
    has_code = any(file.role in (CODE, TEST) for file in context.facts.files)
    if not found:
        if not has_code:
            return nothing("no code here that CI could check")
        missing = Finding(
            "ci",
            "no-ci",
            "high",
            "No CI configuration: nothing checks a change before or after it lands",
            "Add a workflow that runs the tests on every pull request and on the main branch.",
            key="all",
        )
        return Outcome([missing], ["looked for 18 CI systems, from GitHub Actions to a script in .ci/"])
    files = [file for group in found.values() for file in group]
    findings = [*empty(files), *swallowed(context, files)]
    tested, reused = where_tests_run(context, files)
    if has_code and not tested and not reused:
        findings.append(
            Finding(
                "ci",
                "ci-without-tests",
                "medium",
                f"CI is set up ({', '.join(found)}), and no test command was recognised in its files",
                "Run the tests in it; if a command of your own does, name it `test` so that people find it too.",
                files[0].path,
                key="all",
            )
        )
    notes = [f"{name}: {places(file.path for file in group)}" for name, group in list(found.items())[:5]]
    if tested:
        notes.append(f"test command recognised in {places(tested)}")
    elif reused:
        notes.append(f"CI is taken from elsewhere in {places(reused)}; what it runs cannot be seen from here")
    return Outcome(findings, notes)


def where_tests_run(context: Context, files: list[FileFact]) -> tuple[list[str], list[str]]:
    """Files with a test command, and files that include or reuse CI from elsewhere."""
    tested, reused = [], []
    for file, text in context.texts(files):
        lines = [without_comment(line) for line in lines_of(text)]
        if any(TESTS.search(line) for line in lines):
            tested.append(file.path)
        elif any(REUSED.search(line) for line in lines):
            reused.append(file.path)
    return tested, reused


def empty(files: list[FileFact]) -> Iterator[Finding]:
    """CI files without content."""
    for file in files:
        if file.size == 0:
            yield Finding("ci", "empty-ci", "medium", "The CI file is empty", "Fill it or remove it.", file.path)


def swallowed(context: Context, files: list[FileFact]) -> Iterator[Finding]:
    """Test commands whose failure cannot fail the build."""
    for file, text in context.texts(files):
        for number, line in enumerate(lines_of(text), 1):
            clean = without_comment(line).rstrip()
            if TESTS.search(clean) and SWALLOWED.search(clean):
                yield Finding(
                    "ci",
                    "failure-ignored",
                    "medium",
                    "The tests run, and their failure is thrown away (`|| true`)",
                    "Let the command's exit code fail the job; quarantine single tests that are not ready.",
                    file.path,
                    number,
                    key=f"{file.path}\0{clean.strip()}",
                )


CHECK = Check(
    id="ci",
    title="Continuous integration",
    weight=10,
    why="Tests that nobody has to remember to run are the ones that count.",
    run=run,
)
