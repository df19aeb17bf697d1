"""Step 5: what was found, for people (HTML), for code scanning (SARIF) and for programs (JSON)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from . import contract, sarif
from .facts import Facts
from .html import Told, page
from .languages import CODE, CODE_LANGUAGES

MAP_FILES = 80
CONSTITUTION = "constitution.yaml"


def map_files(facts: Facts) -> list[dict[str, Any]]:
    """The largest code files, for the map."""
    code = [f for f in facts.files if f.is_text and f.lines and f.role == CODE and f.language in CODE_LANGUAGES]
    code.sort(key=lambda file: (-(file.lines or 0), file.path))
    return [{"path": file.path, "lines": file.lines, "commits": file.commits} for file in code[:MAP_FILES]]


def write(folder: Path, told: Told) -> None:
    """Writes the three files into the folder."""
    (folder / "report.html").write_text(page(told), encoding="utf-8")
    document = {**told.summary, "inventory": told.inventory}
    for name, content in (("findings.json", document), ("findings.sarif", sarif.document(told.summary["findings"]))):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """INVENTORY, SUMMARY, RESULTS, FACTS (folder) -> report.html, findings.json, findings.sarif."""

    def program(_home: Path) -> None:
        rules = (Path(os.environ["SOMAGENT_INCLUDE"]) / CONSTITUTION).read_text(encoding="utf-8")
        facts = Facts.load(Path(contract.value("FACTS")))
        told = Told(
            inventory=contract.value("INVENTORY"),
            summary=contract.value("SUMMARY"),
            results=contract.value("RESULTS"),
            tiles=map_files(facts),
            rules=rules,
        )
        write(Path.cwd(), told)

    contract.step(program)


if __name__ == "__main__":
    main()
