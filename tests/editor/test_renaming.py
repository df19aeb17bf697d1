"""What `grantTo` names is renamed with it, and no new name may let a secret reach anything else."""

from __future__ import annotations

import pytest

from somagent.capsule_compiler.analysis import NotRenamable, analyse, rename
from somagent.capsule_compiler.draft import FileBeside, Given
from somagent.capsule_compiler.language import prepare_language
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators

TOOL = b"""apiVersion: somagent.io/v1alpha1
kind: Tool
metadata: { name: repo }
spec: {}
"""
CAPSULE = """apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  uses:
    tools: { repo: ./repo.yaml, other: ./repo.yaml }
    secrets: { key: { secret: writer, key: token, grantTo: [repo, send] } }
  steps:
    send: { script: { run: git push, env: { TOKEN: "${{ secrets.key }}" } } }
    pull: { tool: { use: repo, with: { key: "${{ secrets.key }}" } } }
    repo: { script: { run: "true" } }
    look: { script: { run: "true" } }
"""


def renamed(text: str, place: str, new: str) -> str:
    """The text after renaming what stands at the end of a place."""
    language = prepare_language(load_operators(search=[]).catalogue)
    given = Given(language, default_constitution(), lambda path: [FileBeside(path, TOOL, executable=False)])
    edits = rename(analyse("a.capsule.yaml", text.encode(), given), text.index(place) + len(place), new)
    for one in sorted(edits, key=lambda one: one.span, reverse=True):
        text = text[: one.span.start] + one.text + text[one.span.end :]
    return text


def test_a_step_a_secret_and_a_tool_are_renamed_in_every_notation():
    text = CAPSULE.replace("    repo: { script", "    fetch: { script")
    assert renamed(text, "    send", "push") == text.replace("send", "push")
    assert renamed(text, "secrets: { key", "token_of_git") == text.replace(
        "secrets: { key", "secrets: { token_of_git"
    ).replace("secrets.key", "secrets.token_of_git")
    assert renamed(text, "tools: { repo", "git") == text.replace("repo:", "git:").replace("[repo,", "[git,").replace(
        "use: repo", "use: git"
    )


@pytest.mark.parametrize(
    ("place", "new", "why"),
    [
        ("    repo", "fetch", "a tool `repo` has this name too, and `grantTo` means both"),
        ("tools: { repo", "git", "a step `repo` has this name too, and `grantTo` means both"),
        ("    look", "send", "there is a step `send` already"),
        ("other", "send", "a step `send` has this name, and `grantTo` would mean both"),
        ("    send", "other", "a tool `other` has this name, and `grantTo` would mean both"),
    ],
)
def test_a_name_that_would_move_a_secret_is_refused(place, new, why):
    with pytest.raises(NotRenamable) as caught:
        renamed(CAPSULE, place, new)
    assert str(caught.value) == why


FANNED = """apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  steps:
    each: { forEach: "${{ [1, 2] }}", as: one, script: { run: "true", env: { A: "${{ one }}" } } }
    next: { needs: [each], script: { run: "true" } }
"""


@pytest.mark.parametrize(
    ("place", "new", "why"),
    [
        ("    next", "no", "`no` would have to be quoted everywhere: plain, it is no text in YAML"),
        ("    each", "on", "`on` would have to be quoted everywhere: plain, it is no text in YAML"),
        ("as: one", "index", "`index` is taken: expressions use it for something else"),
    ],
)
def test_a_name_that_would_be_a_mistake_is_refused(place, new, why):
    with pytest.raises(NotRenamable) as caught:
        renamed(FANNED, place, new)
    assert str(caught.value) == why
