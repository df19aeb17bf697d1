"""The references list every field of every model that people write, and only those."""

from __future__ import annotations

import pytest
from field_tables import FieldTables, JsonSchema
from pages import DOCS

from somagent.capsule_compiler.model.persona import Persona
from somagent.capsule_compiler.model.tool import Tool
from somagent.capsule_compiler.packages.manifest import PackageFile
from somagent.capsule_compiler.schema import capsule_schema
from somagent.governance.documents import model_schema
from somagent.operators.registry import load_operators
from somagent.workflows.identity.document import IdentityFile

CAPSULE = "capsule.md"
SHARED = {"Metadata", "ValueSchema"}  # the other documents use them, and the page of capsules describes them


def of_capsules() -> FieldTables:
    catalogue = load_operators(search=[]).catalogue
    return FieldTables(capsule_schema(catalogue)["$defs"], catalogue.operators)


def of_what_capsules_use() -> FieldTables:
    definitions: dict[str, JsonSchema] = {}
    for model in (Persona, Tool, PackageFile):
        definitions |= model_schema(model)["$defs"]
    tables = FieldTables({name: schema for name, schema in definitions.items() if name not in SHARED})
    tables.elsewhere = dict.fromkeys(SHARED, CAPSULE)
    return tables


@pytest.mark.parametrize(
    ("page", "tables"),
    [
        (CAPSULE, of_capsules()),
        ("personas-tools-packages.md", of_what_capsules_use()),
        ("identity.md", FieldTables(model_schema(IdentityFile)["$defs"])),
    ],
)
def test_every_field_is_listed_with_its_type_and_default(
    page: str, tables: FieldTables, request: pytest.FixtureRequest
) -> None:
    path = DOCS / "reference" / page
    fresh = tables.put_into(path.read_text(encoding="utf-8"))
    if request.config.getoption("--write-goldens"):
        path.write_text(fresh, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == fresh, "stale; pytest --write-goldens writes it"
    assert tables.all_names - tables.written == set()
