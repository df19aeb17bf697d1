"""What the pages show is what happens: each block is a file, each file is shown, each session is replayed."""

import re
from pathlib import Path

import pytest
from pages import DOCS, EXAMPLES, REPOSITORY, Page, is_part, not_shown, read_session, replayed
from somagent_shell import Shell

PAGES = [
    Page(DOCS / f"{name}.md", EXAMPLES / name)
    for name in (
        "first-run",
        "write-a-capsule",
        "durability",
        "workers",
        "troubleshooting",
        "cli",
        "glossary",
        "begin-and-tidy",
        "editor",
        "secrets",
        "isolation",
        "packages",
        "mend-a-capsule",
        "testing",
        "approvals",
        "python",
        "observability",
        "airflow",
    )
]
TROUBLESHOOTING = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
SESSIONS = [(page, group) for page in PAGES for group in page.sessions()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_block_is_of_a_file_and_each_file_is_shown(page: Page) -> None:
    files = page.files()
    blocks = page.blocks()
    for block in blocks:
        assert any(is_part(block, file) for file in files.values()), f"no file beside {page.path.name} has:\n{block}"
    for path, file in files.items():
        whole = [block for block in blocks if block == file] if path.suffix == ".session" else blocks
        assert not_shown(file, whole) == [], f"{page.path.name} does not show {path.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_capsule_shown_is_used_in_a_session(page: Page) -> None:
    sessions = [read_session(path.read_text(encoding="utf-8")) for group in page.sessions() for path in group]
    commands = "".join(step.command for session in sessions for step in session)
    capsules = [path.name for path in page.files() if path.name.endswith(".capsule.yaml")]
    assert [name for name in capsules if name not in commands] == []


def test_every_message_in_troubleshooting_is_printed_somewhere() -> None:
    sources = [*EXAMPLES.rglob("*.session"), REPOSITORY / "Makefile", REPOSITORY / "cli" / "main.py"]
    shown = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    rows = re.findall(r"^\| (``?)(.+?)\1[^`|]*\|", TROUBLESHOOTING, re.MULTILINE)
    assert len(rows) > 40
    for _, message in rows:
        for part in message.strip().split("…"):
            assert part.strip() in shown, message


@pytest.mark.parametrize(
    ("page", "group"), SESSIONS, ids=[f"{page.name}/{group[0].name.partition('.')[0]}" for page, group in SESSIONS]
)
def test_a_session_prints_what_is_shown(page: Page, group: list[Path], somagent: Shell, request) -> None:
    write = request.config.getoption("--write-goldens")
    printed, recorded = replayed(page, group, somagent, write=write)
    assert printed == recorded


LOOKING = """\
  inputs:
    found: { type: array, items: { type: object }, default: [{ severity: low, message: No licence }] }
  steps:
    look:
      script: { env: { FOUND: "${{ inputs.found }}" }, run: 'echo "findings=$FOUND" >> "$SOMAGENT_OUTPUT"' }
      outputs: { findings: { type: array, items: { type: object } } }
  outputs: { findings: "${{ steps.look.findings }}" }
"""


def test_the_parts_of_a_report_are_called_as_the_page_says(somagent: Shell) -> None:
    run = somagent("run", somagent.capsule("looking", LOOKING), "--output", "json")
    report = (somagent.folder / run.json["report"]).read_text(encoding="utf-8")
    headings = [re.sub("<[^>]+>", "", text) for text in re.findall(r"<h2[^>]*>(.*?)</h2>", report, re.DOTALL)]
    table = (DOCS / "first-run.md").read_text(encoding="utf-8").partition("| part |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([A-Z][^|]+) \|", table, re.MULTILINE) == [one for one in headings if "How to" not in one]
