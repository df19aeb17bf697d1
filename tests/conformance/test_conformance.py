"""Every case on every engine comes out as the contract says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .adapter import Provider
from .cases import DIFFERENCES, FEATURES, GRAPHS, NO_CASE, SEEN, Case, all_cases, cases_for
from .engines import COLUMNS, ENGINES
from .page import page
from .play import play


def _column(engine: str) -> list[object]:
    reasons = DIFFERENCES[engine]
    return [
        pytest.param(
            engine,
            case,
            id=f"{case.name}-{engine}",
            marks=[pytest.mark.xfail(strict=True, reason=reasons[case.name])] if case.name in reasons else [],
        )
        for case in cases_for(engine)
    ]


@pytest.fixture(scope="session")
def providers() -> Iterator[dict[str, Provider]]:
    """One of each engine."""
    made = {name: ENGINES[name]() for name in COLUMNS}
    yield made
    for provider in made.values():
        provider.close()


@pytest.mark.parametrize(("engine", "case"), [one for name in COLUMNS for one in _column(name)])
def test_a_case_comes_out_as_the_contract_says(
    engine: str, case: Case, providers: dict[str, Provider], tmp_path: Path
) -> None:
    with providers[engine].open(tmp_path, case.secrets) as adapter:
        asyncio.run(play(case, adapter, tmp_path))


def test_every_difference_is_of_an_engine_and_a_case_that_there_are() -> None:
    assert DIFFERENCES.keys() == ENGINES.keys()
    named = [*DIFFERENCES.values(), *SEEN.values()]
    assert {name for names in named for name in names} <= {case.name for case in all_cases()}
    assert SEEN.keys() <= ENGINES.keys()


def test_every_cell_of_the_grid_has_a_case_or_the_reason_why_it_has_none() -> None:
    filled = {(case.graph, case.feature) for case in all_cases()}
    empty = {(graph, feature) for graph, reasons in NO_CASE.items() for feature in reasons}
    assert not filled & empty
    assert filled | empty == {(graph, feature) for graph in GRAPHS for feature in FEATURES}


def test_a_reason_for_an_empty_cell_names_cases_that_there_are() -> None:
    reasons = [reason for graph in NO_CASE.values() for reason in graph.values()]
    named = [name for reason in reasons for name in re.findall(r"`([a-z-]+/[a-z.-]+)`", reason)]
    assert set(named) <= {case.name for case in all_cases()}


def test_the_page_shows_the_cases_that_there_are(golden: Callable[[Path, str], None], repository: Path) -> None:
    golden(repository / "docs" / "reference" / "conformance.md", page())


def test_every_row_of_the_contract_names_cases_that_prove_it(repository: Path) -> None:
    text = (repository / "docs" / "reference" / "execution.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z-]+/[a-z.-]+)`", text)
    assert set(named) <= {case.name for case in all_cases()}
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.endswith("| cases |")]
    assert len(rows) > 60
    assert [row for row in rows if not re.search(r"`[a-z-]+/[a-z.-]+` \|$", row)] == []


def test_the_pictures_of_the_contract_show_what_its_tables_say(repository: Path) -> None:
    text = (repository / "docs" / "reference" / "execution.md").read_text(encoding="utf-8")
    for section in ("A run", "A step"):
        part = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
        drawn = re.findall(r"^    (\S+) --> (\w+)$", part, re.MULTILINE)
        told = re.findall(r"^\| (?:`(\w+)`)? ?\| `(\w+)` \| ", part, re.MULTILINE)
        assert sorted(("" if one == "[*]" else one, other) for one, other in drawn) == sorted(told), section
