"""The example of each code: a document that fails by this code only, how that is shown, and the same one mended.

A folder `examples/NUMBER-NAME/` holds `fails.capsule.yaml`, `fixed.capsule.yaml` and `fails.txt`; of codes that only a
constitution can have, `fails.constitution.yaml` and `fixed.constitution.yaml`; of a file of tests, `fails.test.yaml`,
`fixed.test.yaml`, and `tested.capsule.yaml`, which they test. Beside them, where an example needs it:

- `fails.beside/`, `fixed.beside/`: the files in the capsule's own folder
- `governing.constitution.yaml`: the constitution that governs the capsule
- `packages/`: a folder of packages, as `NAMESPACE/NAME/VERSION/`
- `locked`: an empty file; only what `capsule.lock` pins may be used
- `grow.json`: for mistakes of size; one line of one file stands for very many, numbered at `{n}`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from somagent.capsule_compiler.diagnostics.codes import Code
from somagent.capsule_compiler.draft import FileBeside

FOLDER = Path(__file__).with_name("examples")


class Growth(NamedTuple):
    """Which line of which file stands for how many."""

    file: str
    line: int  # from 1
    times: int


class Example(Struct, frozen=True):
    """The example of one code, as its folder has it."""

    folder: Path
    growth: Growth | None

    @property
    def kind(self) -> str:
        """`capsule`, `constitution` or `test`."""
        kinds = ("capsule", "constitution", "test")
        return next(kind for kind in kinds if (self.folder / f"fails.{kind}.yaml").exists())

    @property
    def shown(self) -> str:
        """How the failure is shown."""
        return (self.folder / "fails.txt").read_text(encoding="utf-8")

    def name(self, which: str) -> str:
        """The file name of `fails` or `fixed`."""
        return f"{which}.{self.kind}.yaml"

    def document(self, which: str) -> bytes:
        """The document `fails` or `fixed`, grown where it stands for a large one."""
        return self._read(self.folder / self.name(which))

    def written(self, which: str) -> str:
        """The document as its file has it, for people; what is no UTF-8 is shown by its bytes."""
        return (self.folder / self.name(which)).read_bytes().decode("utf-8", errors="backslashreplace")

    def beside(self, which: str) -> list[Path]:
        """The files beside the document."""
        return sorted(path for path in (self.folder / f"{which}.beside").rglob("*") if path.is_file())

    @property
    def packages(self) -> Path:
        """The folder of packages, which need not be there."""
        return self.folder / "packages"

    @property
    def locked(self) -> bool:
        """Whether only what the lock pins may be used."""
        return (self.folder / "locked").exists()

    def files(self, which: str, path: str) -> list[FileBeside]:
        """What the compiler is given for a path beside the document; raises `OSError`."""
        root = self.folder / f"{which}.beside"
        start = root / path
        found = [one for one in self.beside(which) if one.is_relative_to(start)] if start.is_dir() else [start]
        return [FileBeside(one.relative_to(root).as_posix(), self._read(one), executable=False) for one in found]

    def _read(self, path: Path) -> bytes:
        content = path.read_bytes()
        growth = self.growth
        if growth is None or path.relative_to(self.folder).as_posix() != growth.file:
            return content
        lines = content.decode().splitlines(keepends=True)
        line = lines[growth.line - 1]
        lines[growth.line - 1] = "".join(line.replace("{n}", str(number)) for number in range(1, growth.times + 1))
        return "".join(lines).encode()


def example_of(code: Code) -> Example:
    """The example of a code."""
    folder = FOLDER / f"{code.number}-{code.name}"
    recipe = folder / "grow.json"
    growth = Growth(**json.loads(recipe.read_text(encoding="utf-8"))) if recipe.exists() else None
    return Example(folder, growth)
