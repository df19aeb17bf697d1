"""Ecosystems where the question is only whether the lock file is committed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..context import Context
from ..findings import Finding, Severity
from ..languages import TEST, VENDORED, is_example


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's file name, the lock that belongs to it, and what in its text says that something is wanted."""

    name: str
    lock: str
    wants: re.Pattern[str]
    severity: Severity
    command: str  # writes the lock


MANIFESTS = (
    Manifest("go.mod", "go.sum", re.compile(r"^\s*require\b", re.MULTILINE), "medium", "go mod tidy"),
    Manifest("Cargo.toml", "Cargo.lock", re.compile(r"(?m)^\[(?:.+\.)?dependencies"), "low", "cargo generate-lockfile"),
    Manifest("Gemfile", "Gemfile.lock", re.compile(r"^\s*gem\s", re.MULTILINE), "medium", "bundle lock"),
    Manifest("Pipfile", "Pipfile.lock", re.compile(r"^\[(?:dev-)?packages\]", re.MULTILINE), "medium", "pipenv lock"),
    Manifest("composer.json", "composer.lock", re.compile(r'"require"\s*:'), "medium", "composer update --lock"),
    Manifest("mix.exs", "mix.lock", re.compile(r"\{:\w+,\s*[\"'~]"), "medium", "mix deps.get"),
    Manifest("Podfile", "Podfile.lock", re.compile(r"^\s*pod\s", re.MULTILINE), "medium", "pod install"),
    Manifest("pubspec.yaml", "pubspec.lock", re.compile(r"^dependencies:", re.MULTILINE), "low", "dart pub get"),
    Manifest("flake.nix", "flake.lock", re.compile(r"\binputs\b"), "medium", "nix flake lock"),
    Manifest("Chart.yaml", "Chart.lock", re.compile(r"(?m)^dependencies:\s*$"), "low", "helm dependency update"),
    Manifest("deno.json", "deno.lock", re.compile(r'"imports"\s*:'), "low", "deno install"),
)  # fmt: skip
PROVIDERS = re.compile(r"\brequired_providers\b")


def find(context: Context) -> Iterator[Finding]:
    """Manifests whose lock is in neither their folder nor one above it."""
    manifests = {manifest.name: manifest for manifest in MANIFESTS}
    for file in context.facts.files:
        folder, _, name = file.path.rpartition("/")
        manifest = manifests.get(name)
        if not manifest or file.role in (VENDORED, TEST) or is_example(file.path):
            continue
        if not context.has_above(folder, manifest.lock) and manifest.wants.search(context.text(file.path) or ""):
            yield Finding(
                "dependencies",
                "no-lock",
                manifest.severity,
                f"{name} names dependencies, and {manifest.lock} is not committed",
                f"Run `{manifest.command}` and commit {manifest.lock}.",
                file.path,
            )
    yield from terraform(context)


def terraform(context: Context) -> Iterator[Finding]:
    """Terraform root modules without a provider lock."""
    files = [f for f in context.facts.files if f.path.endswith(".tf") and f.role not in (VENDORED, TEST)]
    told = set()
    for file, text in context.texts(files):
        folder = file.path.rpartition("/")[0]
        if folder in told or "modules/" in f"{folder}/" or not PROVIDERS.search(text):
            continue
        if not context.has_above(folder, ".terraform.lock.hcl"):
            told.add(folder)
            yield Finding(
                "dependencies",
                "no-lock",
                "low",
                "required_providers is set, and .terraform.lock.hcl is not committed",
                "Run `terraform providers lock` and commit .terraform.lock.hcl.",
                file.path,
            )
