"""Workflows that let a stranger's pull request run code with the repository's rights, or that leak its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..ci_files import action_files, script_lines, without_comment
from ..context import Context
from ..findings import Finding
from ..text import lines_of, plural
from .form import Check, Outcome, nothing, places

# What whoever opens an issue or pull request writes freely (GitHub's secure use reference, "untrusted input").
UNTRUSTED = re.compile(
    r"\$\{\{[^}$]{0,200}?\b(github\.head_ref|github\.event\.(?:issue\.(?:title|body)|comment\.body|review\.body"
    r"|review_comment\.body"
    r"|discussion\.(?:title|body)|pull_request\.(?:title|body|head\.(?:ref|label|repo\.default_branch))"
    r"|(?:head_commit|commits\[?.*?)\.(?:message|author\.(?:email|name))|pages\[?.*?\.page_name"
    r"|workflow_run\.(?:head_branch|head_commit\.(?:message|author\.(?:email|name)))))"
)
PRIVILEGED = re.compile(r"^\s*(?:on:.*|-\s*|)[\"'\[ ]*\b(pull_request_target|workflow_run)\b")
HEAD_CHECKOUT = re.compile(
    r"^\s*ref:.*(?:github\.event\.pull_request\.(?:head|number)|github\.head_ref|github\.event\.workflow_run\.head"
    r"|refs/pull/)"
)
SECRET_SHOWN = re.compile(
    r"\b(?:echo|printf|cat|print)\b[^|>&]{0,300}\$\{\{\s*secrets\.[\w]+\s*\}\}(?!.*(?:>|\|))|toJSON\(\s*secrets\s*\)"
)
WRITE_ALL = re.compile(r"^\s*permissions:\s*[\"']?write-all\b")
PERMISSIONS = re.compile(r"^\s*permissions:")
UNSAFE_COMMANDS = re.compile(r"^\s*ACTIONS_ALLOW_UNSECURE_COMMANDS:\s*[\"']?true")


def run(context: Context) -> Outcome:
    """Reads every workflow and action of GitHub's kind."""
    files = action_files(context)
    if not files:
        return nothing("no GitHub, Gitea or Forgejo workflow here")
    findings: list[Finding] = []
    without_permissions = []
    for file, text in context.texts(files):
        lines = lines_of(text)
        findings.extend(judge(file.path, lines))
        if "/workflows/" in file.path and not any(PERMISSIONS.match(line) for line in lines):
            without_permissions.append(file.path)
    if without_permissions:
        findings.append(
            Finding(
                "workflows",
                "no-permissions",
                "low",
                f"{plural(len(without_permissions), 'workflow')} without `permissions`, so a default decides: "
                f"{places(without_permissions)}",
                "Write `permissions: {contents: read}` at the top and grant more only to the job that needs it.",
                without_permissions[0],
                key="all",
            )
        )
    return Outcome(findings, [f"{plural(len(files), 'workflow or action', 'workflows and actions')} read line by line"])


def judge(path: str, lines: list[str]) -> Iterator[Finding]:
    """The findings of one file."""
    clean = [without_comment(line) for line in lines]
    head = clean[: next((index for index, line in enumerate(clean) if line.startswith("jobs:")), len(clean))]
    privileged = next((match[1] for line in head if (match := PRIVILEGED.match(line))), None)
    for number, line in script_lines(lines):
        if match := UNTRUSTED.search(line):
            yield Finding(
                "workflows",
                "script-injection",
                "high",
                f"A stranger's text ({match[1]}) becomes part of a script",
                'Hand it over as an environment variable (`env: TITLE: ${{ … }}`) and use "$TITLE" in the script.',
                path,
                number,
                key=f"{path}\0{match[1]}",
            )
        if SECRET_SHOWN.search(line):
            yield Finding(
                "workflows",
                "secret-in-log",
                "high",
                "The script prints a secret; masking fails as soon as it is encoded or cut",
                "Hand it to the program through `env:` and print nothing of it.",
                path,
                number,
                key=f"{path}\0secret",
            )
    for number, line in enumerate(clean, 1):
        if privileged and HEAD_CHECKOUT.match(line):
            yield Finding(
                "workflows",
                "untrusted-checkout",
                "high",
                f"`{privileged}` runs with the repository's secrets, and here it checks out the stranger's code",
                "Use `pull_request` for code of pull requests; keep the privileged workflow to labels and comments.",
                path,
                number,
                key=path,
            )
        if WRITE_ALL.match(line):
            yield Finding(
                "workflows",
                "write-all",
                "medium",
                "The workflow's token may write everything",
                "Grant single rights, for instance `permissions: {contents: read, pull-requests: write}`.",
                path,
                number,
                key=path,
            )
        if UNSAFE_COMMANDS.match(line):
            yield Finding(
                "workflows",
                "unsafe-commands",
                "high",
                "Printed text may set environment variables, so whoever can make the job print can take it over",
                "Remove the setting and write to the files $GITHUB_ENV and $GITHUB_OUTPUT.",
                path,
                number,
                key=path,
            )


CHECK = Check(
    id="workflows",
    title="Workflow safety",
    weight=8,
    why="A workflow holds the keys of the repository; one careless line hands them to whoever opens a pull request.",
    run=run,
)
