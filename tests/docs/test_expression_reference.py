"""The reference of expressions has every signature of the checker, an example for each, and only what is true."""

from __future__ import annotations

import re

import expression_tables
import pytest
from pages import DOCS

from somagent.governance.cel.functions import BINARY, FUNCTIONS, METHODS
from somagent.governance.cel.parser import MACROS

PAGE = DOCS / "reference" / "expressions.md"


def test_the_tables_are_those_of_the_checker(request: pytest.FixtureRequest) -> None:
    fresh = expression_tables.put_into(PAGE.read_text(encoding="utf-8"))
    if request.config.getoption("--write-goldens"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == fresh, "stale; pytest --write-goldens writes it"
    assert set(re.findall(r"<!-- table: (\w+) -->", fresh)) == set(expression_tables.TABLES)


def test_every_example_is_of_a_signature_that_is_shown() -> None:
    shown = expression_tables.operators() + expression_tables.functions() + expression_tables.conversions()
    for line in expression_tables.EXAMPLES.strip().splitlines():
        for text in line.split(" --- "):
            assert f"`{text}`".replace("|", "\\|") in shown


def test_every_name_of_the_language_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8").replace("\\|", "|")
    for name in (*FUNCTIONS, *METHODS, *MACROS):
        assert re.search(rf"`[^`]*\b{name}\(", page), name
    for name in BINARY:
        assert re.search(rf"`[^`]* {re.escape(name)} [^`]*`", page), name
