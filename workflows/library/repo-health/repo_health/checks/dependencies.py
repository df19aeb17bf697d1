"""Whether two builds of one commit fetch the same things: pins, locks, digests."""

from __future__ import annotations

import re

from ..ci_files import action_files
from ..context import Context
from ..findings import Finding
from ..languages import VENDORED
from ..pins import containers, locks, node, python
from ..text import plural
from .form import Check, Outcome, nothing, places

UPDATERS = re.compile(
    r"^\.github/dependabot\.ya?ml$|(?:^|/)(?:\.?renovate(?:rc)?(?:\.json5?)?|renovate\.json5?)$"
    r"|^\.github/renovate\.json5?$|^\.gitlab/renovate\.json5?$"
    r"|^\.pyup\.ya?ml$|^\.scala-steward\.conf$|^\.(?:github|gitea|forgejo)/workflows/[^/]*(?:renovate|update-dep"
    r"|dependabot)[^/]*\.ya?ml$"
)
_OTHER = re.compile(
    r"(?:^|/)(?:pom\.xml|build\.gradle(?:\.kts)?|[^/]+\.csproj|setup\.py|conanfile\.(?:py|txt)|vcpkg\.json)$"
)


def run(context: Context) -> Outcome:
    """All ecosystems, and whether anything keeps them current."""
    manifests = manifest_paths(context)
    if not manifests and not action_files(context):
        return nothing("no manifest, container file or workflow that fetches anything")
    findings = [*python.find(context), *node.find(context), *locks.find(context), *containers.find(context)]
    if manifests and not any(UPDATERS.search(path) for path in context.by_path):
        findings.append(
            Finding(
                "dependencies",
                "no-updater",
                "low",
                "Nothing in the repository proposes updates, so pins grow old unseen",
                "Add .github/dependabot.yml or renovate.json.",
                key="all",
            )
        )
    return Outcome(
        findings, [f"{plural(len(manifests), 'manifest')} read: {places(manifests, 6)}"] if manifests else []
    )


def manifest_paths(context: Context) -> list[str]:
    """Files that name something to fetch, vendored ones left out."""
    names = {"pyproject.toml", "package.json", *(manifest.name for manifest in locks.MANIFESTS)}
    required = {file.path for file in python.requirement_files(context)}
    return [
        file.path
        for file in context.facts.files
        if file.role != VENDORED
        and (
            file.path.rpartition("/")[2] in names
            or file.path in required
            or file.language == "Dockerfile"
            or _OTHER.search(file.path)
        )
    ]


CHECK = Check(
    id="dependencies",
    title="Dependency pins",
    weight=12,
    why="What is not fixed can change between two builds of one commit: by a bug, or by an attacker.",
    run=run,
)
