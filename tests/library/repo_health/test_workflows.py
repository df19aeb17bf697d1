"""Workflows that a stranger can use against the repository."""

from __future__ import annotations

SAFE = """\
on: [push, pull_request]
permissions: { contents: read }
jobs:
  test:
    steps:
      - uses: actions/checkout@v4
      - env: { TITLE: "${{ github.event.pull_request.title }}" }
        run: |
          echo "$TITLE"
          pytest -q
      - if: contains(github.event.pull_request.title, 'x')
        run: echo ${{ github.sha }}
"""


def workflow(text: str) -> dict[str, str]:
    """The workflow where GitHub looks for it."""
    return {".github/workflows/ci.yml": text}


def test_a_careful_workflow_has_no_finding(repo, judge):
    repo.commit(workflow(SAFE))
    assert judge(repo).rules("workflows") == []


def test_without_workflows_the_check_does_not_apply(repo, judge):
    repo.commit({"a.py": "x\n"})
    assert judge(repo).check("workflows")["applies"] is False


def test_a_strangers_text_in_a_script_is_found_with_its_line(repo, judge):
    text = SAFE.replace('echo "$TITLE"', 'echo "${{ github.event.pull_request.title }}"')
    repo.commit(workflow(text))
    finding = judge(repo).findings("workflows", "script-injection")[0]
    assert (finding["severity"], finding["line"]) == ("high", 9)


def test_a_strangers_text_in_github_script_is_found(repo, judge):
    text = (
        SAFE
        + "      - uses: actions/github-script@v7\n        with:\n"
        + "          script: |\n            log(`${{ github.head_ref }}`)\n"
    )
    repo.commit(workflow(text))
    assert judge(repo).rules("workflows") == ["high script-injection"]


def test_a_privileged_workflow_that_checks_out_the_strangers_code_is_found(repo, judge):
    text = SAFE.replace("[push, pull_request]", "pull_request_target").replace(
        "actions/checkout@v4\n",
        "actions/checkout@v4\n        with:\n          ref: ${{ github.event.pull_request.head.sha }}\n",
    )
    repo.commit(workflow(text))
    finding = judge(repo).findings("workflows")[0]
    assert (finding["id"].split(".")[1], finding["line"]) == ("untrusted-checkout", 8)


def test_the_same_checkout_in_an_unprivileged_workflow_is_fine(repo, judge):
    text = SAFE.replace(
        "actions/checkout@v4\n",
        "actions/checkout@v4\n        with:\n          ref: ${{ github.event.pull_request.head.sha }}\n",
    )
    repo.commit(workflow("# not pull_request_target\n" + text))
    assert judge(repo).rules("workflows") == []


def test_shown_secrets_wide_rights_and_unsafe_commands_are_found(repo, judge):
    text = SAFE.replace("{ contents: read }", "write-all").replace('echo "$TITLE"', "echo ${{ secrets.DEPLOY }}")
    repo.commit(workflow(text + "    env:\n      ACTIONS_ALLOW_UNSECURE_COMMANDS: true\n"))
    assert sorted(judge(repo).rules("workflows")) == ["high secret-in-log", "high unsafe-commands", "medium write-all"]


def test_workflows_without_permissions_are_one_finding(repo, judge):
    text = SAFE.replace("permissions: { contents: read }\n", "")
    repo.commit({".github/workflows/a.yml": text, ".github/workflows/b.yaml": text, ".gitea/workflows/c.yml": SAFE})
    finding = judge(repo).findings("workflows")
    assert len(finding) == 1
    assert finding[0]["message"].startswith("2 workflows without `permissions`")
