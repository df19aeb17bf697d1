"""The reference of the capsule lists every field of every model, and only those."""

from __future__ import annotations

import pytest
from field_tables import FieldTables
from pages import DOCS

from somagent.capsule_compiler.language import prepare_language
from somagent.operators.registry import load_operators

PAGE = DOCS / "reference" / "capsule.md"


def test_every_field_is_listed_with_its_type_and_default(request: pytest.FixtureRequest) -> None:
    tables = FieldTables(prepare_language(load_operators(search=[]).catalogue))
    fresh = tables.put_into(PAGE.read_text(encoding="utf-8"))
    if request.config.getoption("--write-goldens"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == fresh, "stale; pytest --write-goldens writes it"
    assert tables.all_names - tables.written == set()
