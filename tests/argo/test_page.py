"""What the page on Argo shows is what the commands print, on a real cluster."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from argo_site import Site
from pages import DOCS, EXAMPLES, Page, is_part, lay_out, normal, not_shown, read_session, replay
from somagent_shell import Shell

PAGE = Page(DOCS / "argo.md", EXAMPLES / "argo")
_ENVIRONMENT = ("SOMAGENT_RUNS", "SOMAGENT_RUNS_SECRET", "SOMAGENT_NAMESPACE", "AWS_ENDPOINT_URL", "SOMAGENT_IMAGE")
_VARYING = (
    (re.compile(r"\b(\d+m )?\d+(\.\d+)?s\b"), "<duration>"),
    (re.compile(r"release-plan-[0-9a-f]{12}"), "release-plan-<digest>"),
    (re.compile(r" {2,}"), "  "),
    (re.compile(r"^ *<duration> +[^\w\s] .*\n", re.MULTILINE), ""),  # told only if watched
)


def told_apart(text: str) -> str:
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return normal([text])[0]


def test_each_block_is_of_a_file_and_each_file_is_shown() -> None:
    files, blocks = PAGE.files(), PAGE.blocks()
    unknown = [block for block in blocks if not any(is_part(block, file) for file in files.values())]
    assert [block for block in unknown if "export SOMAGENT_RUNS" not in block] == []
    assert {path.name: not_shown(file, blocks) for path, file in files.items()} == {path.name: [] for path in files}


def test_the_sessions_print_what_is_shown(tmp_path: Path, somagent: Shell, request: pytest.FixtureRequest) -> None:
    site = Site(tmp_path)
    site.prepare()
    lay_out(PAGE, somagent.folder)
    named = " ".join(f"{name}={site.environment[name]}" for name in (*_ENVIRONMENT, "KUBECONFIG", "PATH"))
    keys = " ".join(f"{name}={site.environment[name]}" for name in site.environment if name.startswith("AWS_"))
    found = f'export {named} {keys} PATH="$PATH:{Path(shutil.which("kubectl") or "").parent}"; '
    for path in sorted(PAGE.examples.glob("*.kubectl")):
        recorded = path.read_text(encoding="utf-8")
        steps = [step._replace(command=found + step.command) for step in read_session(recorded)]
        printed = replay(steps, somagent, patience_s=400).replace(found, "")
        if request.config.getoption("--write-goldens") and told_apart(printed) != told_apart(recorded):
            path.write_text(printed, encoding="utf-8")
            PAGE.show(recorded, printed)
        else:
            assert told_apart(printed) == told_apart(recorded)
