"""Which files of a repository are instructions to a CI system, and how to read GitHub's without a YAML library."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .context import Context
from .facts import FileFact
from .languages import VENDORED
from .tree import FILE

SYSTEMS = {
    "GitHub Actions": re.compile(r"^\.(?:github|gitea|forgejo)/workflows/[^/]+\.ya?ml$"),
    "GitLab CI": re.compile(r"^\.gitlab-ci\.ya?ml$|^\.gitlab/ci/.+\.ya?ml$"),
    "Jenkins": re.compile(r"^(?:.*/)?Jenkinsfile[^/]*$"),
    "CircleCI": re.compile(r"^\.circleci/config\.ya?ml$"),
    "Azure Pipelines": re.compile(r"^\.?azure-pipelines[^/]*\.ya?ml$|^\.azure-pipelines/.+\.ya?ml$"),
    "Bitbucket Pipelines": re.compile(r"^bitbucket-pipelines\.ya?ml$"),
    "Buildkite": re.compile(r"^\.buildkite/.+\.ya?ml$"),
    "Travis CI": re.compile(r"^\.travis\.ya?ml$"),
    "Drone": re.compile(r"^\.drone\.(?:ya?ml|star|jsonnet)$"),
    "Woodpecker": re.compile(r"^\.woodpecker(?:\.ya?ml|/.+\.ya?ml)$"),
    "Cirrus CI": re.compile(r"^\.cirrus\.(?:ya?ml|star)$"),
    "AppVeyor": re.compile(r"^\.?appveyor\.ya?ml$"),
    "Tekton": re.compile(r"^\.tekton/.+\.ya?ml$"),
    "Prow": re.compile(r"^\.prow(?:\.ya?ml|/.+\.ya?ml)$"),
    "builds.sr.ht": re.compile(r"^\.build\.ya?ml$|^\.builds/.+\.ya?ml$"),
    "Google Cloud Build": re.compile(r"^cloudbuild\.(?:ya?ml|json)$"),
    "AWS CodeBuild": re.compile(r"^buildspec[^/]*\.ya?ml$"),
    "a script in a CI folder": re.compile(r"^\.?ci/[^/]+(?:\.(?:sh|py|ya?ml))?$"),
}
ACTIONS = re.compile(
    r"^\.(?:github|gitea|forgejo)/(?:workflows/[^/]+\.ya?ml|actions/(?:.+/)?action\.ya?ml)$|^action\.ya?ml$"
)
_SCRIPT_KEY = re.compile(r"^(?P<indent>\s*(?:- +)?)(?:run|script):\s*(?P<value>.*)$")


def ci_files(context: Context) -> dict[str, list[FileFact]]:
    """CI systems the repository is set up for, with their files."""
    found: dict[str, list[FileFact]] = {}
    for file in context.facts.files:
        if file.kind == FILE and file.role != VENDORED:
            for system, pattern in SYSTEMS.items():
                if pattern.match(file.path):
                    found.setdefault(system, []).append(file)
    return found


def action_files(context: Context) -> list[FileFact]:
    """Files in the language of GitHub Actions: workflows and actions."""
    return [file for file in context.facts.files if file.kind == FILE and ACTIONS.match(file.path)]


def script_lines(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines that a workflow hands to a shell (`run:`) or to github-script (`script:`), with their numbers."""
    inside: int | None = None  # the indentation of the key whose block is being read
    for number, line in enumerate(lines, 1):
        if inside is not None:
            if not line.strip() or len(line) - len(line.lstrip()) > inside:
                yield number, line
                continue
            inside = None
        if match := _SCRIPT_KEY.match(line):
            if match["value"].startswith(("|", ">")):
                inside = len(match["indent"])
            elif match["value"]:
                yield number, match["value"]


def without_comment(line: str) -> str:
    """A YAML line without its comment, good enough where `#` in a string does not matter."""
    return re.sub(r"(^|\s)#.*$", "", line)
