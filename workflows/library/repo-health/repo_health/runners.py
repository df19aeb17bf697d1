"""How a repository says that its tests are started, for some twenty languages and tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import manifests
from .context import Context
from .languages import GENERATED, VENDORED

_NO_TEST = re.compile(r"no test specified")  # npm's placeholder


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner is set up when a file of that path exists and its text has the words; no words = the file is enough."""

    name: str
    path: re.Pattern[str]
    words: re.Pattern[str] | None = None


def _runner(name: str, path: str, words: str = "") -> Runner:
    return Runner(name, re.compile(rf"(?:^|/){path}$"), re.compile(words, re.MULTILINE) if words else None)


RUNNERS = (
    _runner("pytest", r"(?:\.?pytest\.ini|conftest\.py)"),
    _runner("pytest", r"pyproject\.toml", r"\bpytest\b"),
    _runner("pytest", r"(?:(?:setup|tox)\.cfg|[\w.-]*requirements[^/]*\.(?:txt|in))", r"\bpytest\b"),
    _runner("tox or nox", r"(?:tox\.ini|noxfile\.py)"),
    _runner(
        "make", r"(?:GNUm|[Mm])akefile", r"^(?!\t|\.|#)(?:[\w.-]+ ){0,40}(?:tests?|check)(?: [\w.-]+){0,40}\s*:(?!=)"
    ),
    _runner("just or task", r"(?:\.?[jJ]ustfile|[tT]askfile\.ya?ml)", r"^\s*tests?\b.*:"),
    _runner("go test", r"go\.mod"),
    _runner("cargo test", r"Cargo\.toml"),
    _runner("Maven", r"pom\.xml", r"junit|testng|surefire|spock|kotest|scalatest"),
    _runner("Gradle", r"build\.gradle(?:\.kts)?", r"junit|testImplementation|useJUnit|kotlin\(.test|spock"),
    _runner("sbt", r"build\.sbt", r"Test\b|scalatest|munit|specs2"),
    _runner("CTest", r"CMakeLists\.txt", r"\b(?:add_test|enable_testing|gtest_discover_tests|catch_discover_tests)\b"),
    _runner("Meson", r"meson\.build", r"^\s*test\("),
    _runner("dotnet test", r"[^/]+\.(?:cs|fs|vb)proj", r"Microsoft\.NET\.Test\.Sdk|[xX]unit|NUnit|MSTest"),
    _runner("RSpec or Rake", r"(?:\.rspec|Rakefile)"),
    _runner("PHPUnit", r"phpunit\.xml(?:\.dist)?"),
    _runner("mix test", r"mix\.exs"),
    _runner("Bazel", r"BUILD(?:\.bazel)?", r"\b\w+_test\("),
    _runner("dart or flutter test", r"pubspec\.yaml", r"^\s+(?:flutter_test|test):"),
    _runner("swift test", r"Package\.swift", r"\.testTarget\("),
    _runner(
        "JavaScript runner", r"(?:(?:jest|vitest|karma|playwright|cypress|ava|wdio)\.conf(?:ig)?\.\w+|\.mocharc.*)"
    ),
)


def find_runners(context: Context) -> Iterator[str]:
    """Names of the runners that are set up, with repetitions."""
    for file in context.facts.files:
        if file.role in (VENDORED, GENERATED) or not file.is_text:
            continue
        for runner in RUNNERS:
            if runner.path.search(file.path) and (
                runner.words is None or runner.words.search(context.text(file.path) or "")
            ):
                yield runner.name
        if file.path.rpartition("/")[2] == "package.json" and has_test_script(context.text(file.path) or ""):
            yield "package.json script"


def has_test_script(text: str) -> bool:
    """Whether a package.json has a script for tests that is not npm's placeholder."""
    try:
        scripts = manifests.table(manifests.parse("package.json", text), "scripts")
    except manifests.Unreadable:
        return False
    return any(
        name.partition(":")[0] in ("test", "tests") and not _NO_TEST.search(str(text)) for name, text in scripts.items()
    )
