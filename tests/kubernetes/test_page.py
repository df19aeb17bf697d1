"""What the page on Kubernetes shows is what kubectl prints."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import DOCS, EXAMPLES, Page, is_part, lay_out, not_shown, read_session, replay
from somagent_shell import Shell

PAGE = Page(DOCS / "kubernetes.md", EXAMPLES / "kubernetes")
_SECONDS = re.compile(r"\b\d+s\b")
_DELETED = re.compile(r'" deleted from [a-z0-9-]+ namespace')  # newer versions of kubectl name the namespace


def plain(text: str) -> str:
    return _DELETED.sub('" deleted', _SECONDS.sub("<age>", text))


def test_each_block_is_of_a_file_and_each_file_is_shown() -> None:
    files, blocks = PAGE.files(), PAGE.blocks()
    assert [block for block in blocks if not any(is_part(block, file) for file in files.values())] == []
    assert {path.name: not_shown(file, blocks) for path, file in files.items()} == {path.name: [] for path in files}


def test_the_sessions_print_what_is_shown(
    kubeconfig: Path, kubectl: Callable[..., object], somagent: Shell, request: pytest.FixtureRequest
) -> None:
    lay_out(PAGE, somagent.folder)
    kubectl("delete", "capsules", "--all")
    found = f'export KUBECONFIG={kubeconfig} PATH="$PATH:{Path(shutil.which("kubectl") or "").parent}"; '
    for path in sorted(PAGE.examples.glob("*.kubectl")):
        recorded = path.read_text(encoding="utf-8")
        steps = [step._replace(command=found + step.command) for step in read_session(recorded)]
        printed = replay(steps, somagent).replace(found, "")
        if request.config.getoption("--write-goldens") and plain(printed) != plain(recorded):
            path.write_text(printed, encoding="utf-8")
            PAGE.show(recorded, printed)
        else:
            assert plain(printed) == plain(recorded)
