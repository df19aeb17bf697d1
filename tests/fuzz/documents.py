"""Documents other than capsules and constitutions: each is read alone, and by the capsule that uses it.

They lie as files in a folder of their own, as a user has them: a lock, packages, a persona, a tool. A file of tests
is read where its seed lies, beside the capsule that it tests.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.diagnostics.examples import FOLDER
from somagent.capsule_compiler.draft import Given
from somagent.capsule_compiler.locking import lock_capsule
from somagent.capsule_compiler.model.persona import Persona
from somagent.capsule_compiler.model.tool import Tool
from somagent.capsule_compiler.packages.lock import FILE, Lock, read_lock, write_lock
from somagent.capsule_compiler.packages.manifest import PackageFile
from somagent.capsule_compiler.packages.reading import read_document
from somagent.governance.constitution import Constitution
from somagent.governance.documents import Diagnostic, Source
from somagent.workflows.capsules import Installation, compile_content, files_beside
from somagent.workflows.packages import PackageFolder
from somagent.workflows.testing.reading import read_test

ROOT = Path(__file__).parents[2]
HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n"
RELEASE = f"""{HEAD}  uses: {{ policies: {{ release: acme/release@^1 }} }}
  steps: {{ gate: {{ policy: {{ set: release, input: {{ coverage: 0.9 }} }} }} }}
"""
PEOPLE = f"""{HEAD}  uses: {{ personas: {{ one: ./persona.yaml }}, tools: {{ two: ./tool.yaml }} }}
  steps:
    ask: {{ slm: {{ persona: one, prompt: Why?, tools: [two] }}, outputs: {{ why: {{ type: string }} }} }}
    tell: {{ tool: {{ use: two, with: {{ text: "${{{{ steps.ask.why }}}}" }} }} }}
    say: {{ tool: {{ use: two, with: {{ text: {"a" * 60}! }} }} }}
"""

Shown = Callable[[Source, Sequence[Diagnostic]], str]
Must = Callable[[object, str], None]


class Documents:
    """Reads what a kind of document is for; gives what came out as text."""

    def __init__(self, installation: Installation, constitution: Constitution, shown: Shown, must: Must) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="somagent-fuzz-")
        self.folder = Path(self._temporary.name)
        for packages in (FOLDER / "CAP507-version-conflict", FOLDER / "CAP505-unknown-package"):
            shutil.copytree(packages / "packages", self.folder / "packages", dirs_exist_ok=True)
        for name, seed in (("persona", "reviewer"), ("tool", "repo")):
            shutil.copy(Path(__file__).parent / f"seeds/{seed}.{name}.yaml", self.folder / f"{name}.yaml")
        self.whole = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        self.installation = replace(installation, packages=PackageFolder(self.folder / "packages"))
        self.constitution, self.shown, self.must = constitution, shown, must

    def hold(self, kind: str, content: bytes, place: Path | None) -> str:
        """The outcome, without the names of this machine's folders."""
        told = self._hold(kind, content, place)
        return told.replace(str(self.folder), "").replace(str(ROOT), "")

    def _hold(self, kind: str, content: bytes, place: Path | None) -> str:
        if kind == "test":
            path = place or ROOT / "docs/examples/a.test.yaml"
            read = read_test(path, content, self.installation, self.constitution)
            return self.shown(Source("a.test.yaml", read.source.text), read.diagnostics)
        if kind == "lock":
            return self._lock(content)
        if kind == "package":
            told, _ = self._read(content, PackageFile)
            return told + self._used(self.folder / "packages/acme/release/1.2.0/package.yaml", content, RELEASE)
        told, _ = self._read(content, Persona if kind == "persona" else Tool)
        return told + self._used(self.folder / f"{kind}.yaml", content, PEOPLE)

    def _read(self, content: bytes, model: type) -> tuple[str, object]:
        source, _, value, found = read_document("a.yaml", content, model)
        self.must((value is None) == bool(found), "a value, or mistakes")
        return self.shown(source, found), value

    def _lock(self, content: bytes) -> str:
        source, lock, found = read_lock(FILE, content)
        self.must((lock is None) == bool(found), "a lock, or mistakes")
        told = self.shown(source, found)
        if lock is not None:
            written = write_lock(lock)
            self.must(read_lock(FILE, written)[1] == lock, "a lock reads back as it was written")
            given = Given(
                self.installation.language,
                self.constitution,
                files_beside(self.folder),
                packages=self.installation.packages,
            )
            again = lock_capsule("a.capsule.yaml", RELEASE.encode(), given, lock)
            told += self.shown(again.source, again.diagnostics)
            if again.lock is not None:
                self._pinned(again.lock)
        return told + self._used(self.folder / FILE, content, RELEASE)

    def _pinned(self, lock: Lock) -> None:
        path = self.folder / FILE
        path.write_bytes(write_lock(lock))
        done = self._compile(RELEASE, locked=True)
        path.unlink()
        self.must(done.plan is not None, "what was just locked can be used locked")

    def _used(self, path: Path, content: bytes, capsule: str) -> str:
        """What the capsule says that uses the file, free and locked."""
        path.write_bytes(content)
        done = [self._compile(capsule, locked=locked) for locked in (False, True)]
        if path in self.whole:
            path.write_bytes(self.whole[path])
        else:
            path.unlink()
        return "".join(self.shown(one.source, one.diagnostics) for one in done)

    def _compile(self, text: str, *, locked: bool) -> Compilation:
        installation = replace(self.installation, locked=locked)
        return compile_content(self.folder / "a.capsule.yaml", text.encode(), installation, self.constitution)
