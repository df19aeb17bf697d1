"""Links lead somewhere, every page is on the map, and the glossary knows the words that are on the screen."""

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from pages import DOCS, REPOSITORY

from somagent.governance.verdict import StaticVerdict
from somagent.operators.runner.records import FailureClass, Phase

_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def documents() -> list[Path]:
    """The documents of the repository, new ones too; examples of capsules may have documents that are no pages."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({REPOSITORY / name for name in listed if name and (REPOSITORY / name).is_file()})


def anchors(document: Path) -> set[str]:
    """The anchors that a reader of the rendered page can go to: its headings in the form of GitHub."""
    found: list[str] = []
    for heading in _HEADING.findall(_FENCED.sub("", document.read_text(encoding="utf-8"))):
        words = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{words}-{found.count(words)}" if words in found else words)
    return set(found)


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    prose = _CODE.sub("", _FENCED.sub("", document.read_text(encoding="utf-8")))
    wrong = []
    for link in _LINK.findall(prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_every_page_is_on_the_map() -> None:
    map_ = DOCS / "README.md"
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in _LINK.findall(map_.read_text(encoding="utf-8"))}
    pages = {path for path in documents() if path.is_relative_to(DOCS) and "examples" not in path.parts}
    assert pages - listed == {map_}


def test_the_glossary_knows_every_phase_verdict_and_failure_class() -> None:
    glossary = (DOCS / "glossary.md").read_text(encoding="utf-8")
    for section, words in (("Phases", Phase), ("Verdicts", StaticVerdict), ("Failure classes", FailureClass)):
        table = glossary.partition(f"## {section}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(get_args(words))


def test_the_glossary_is_in_order_and_has_each_word_once() -> None:
    glossary = (DOCS / "glossary.md").read_text(encoding="utf-8").partition("\n## ")[0]
    words = [word.strip("`").lower() for word in re.findall(r"^\| ([^|]+) \| [^|]", glossary, re.MULTILINE)][1:]
    assert len(words) > 50
    assert words == sorted(set(words))
