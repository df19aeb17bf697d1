"""Checking one named file, a capsule, a constitution or tests, again and again while it is mended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from somagent.capsule_compiler.compile import compile_capsule
from somagent.capsule_compiler.diagnostics import is_error
from somagent.capsule_compiler.diagnostics.allow import allow
from somagent.capsule_compiler.draft import Child, FileBeside
from somagent.capsule_compiler.parts import PARTS, check_part
from somagent.capsule_compiler.plan import Plan, plan_digest
from somagent.governance.constitution import Constitution, load_constitution
from somagent.governance.documents import Diagnostic, MappingNode, Source, bounded, decode_source, read_yaml
from somagent.workflows import capsules

STANDARD_INPUT = "-"
CONSTITUTION, TEST = "Constitution", "CapsuleTest"
_KINDS = frozenset({CONSTITUTION, TEST, *PARTS})


class Found(Struct, frozen=True):
    """What there is to say about one file."""

    name: str
    content: bytes
    source: Source
    diagnostics: Sequence[Diagnostic]
    kind: str  # a few words on what it is
    plan: Plan | None = None  # of a capsule without an error
    digest: str | None = None  # of a constitution without an error
    inner: tuple[Child, ...] = ()  # capsules that it uses and that have mistakes

    @property
    def meaning(self) -> str | None:
        """The digest of what it means, when it has no error."""
        return plan_digest(self.plan) if self.plan else self.digest

    @property
    def wrong(self) -> bool:
        """Whether it has an error."""
        return any(is_error(one) for one in self.diagnostics)

    @property
    def used(self) -> list[Found]:
        """What there is to say about the capsules that it uses."""
        return [
            Found(child.source.name, b"", child.source, child.diagnostics, _of_steps(child.plan), child.plan)
            for child in self.inner
        ]


class Checker(Struct, frozen=True):
    """Checks files as this installation and a constitution have it."""

    installation: capsules.Installation
    constitution: Constitution

    def file(self, name: str) -> Found:
        """Checks the file at a path, or standard input; raises `NotReadable`."""
        if name == STANDARD_INPUT:
            return self.content(name, sys.stdin.buffer.read())
        name = from_here(name)
        return self.content(name, capsules.read_bytes(Path(name)))

    def content(self, name: str, content: bytes) -> Found:
        """Checks a content as if it were that of the file."""
        source, faults = decode_source(name, content)
        kind = other_kind(source) if not faults else ""
        if kind == CONSTITUTION:
            return _of_constitution(name, content, source)
        if kind == TEST:
            return self._of_test(name, content)
        if kind:
            return _of_part(name, content, kind)
        if name == STANDARD_INPUT:
            compilation = compile_capsule(
                name,
                content,
                language=self.installation.language,
                constitution=self.constitution,
                files=_nothing_beside,
                packages=self.installation.packages,
                locked=self.installation.locked,
            )
        else:
            compilation = capsules.compile_content(Path(name), content, self.installation, self.constitution)
        plan, source = compilation.plan, compilation.source
        return Found(name, content, source, compilation.diagnostics, _of_steps(plan), plan, inner=compilation.inner)

    def _of_test(self, name: str, content: bytes) -> Found:
        from somagent.workflows.testing.reading import read_test  # noqa: PLC0415  brings validators along

        read = read_test(Path(name), content, self.installation, self.constitution)
        kind = f"tests, {_many(len(read.file.cases) if read.file else 0, 'case')}"
        return Found(name, content, read.source, read.diagnostics, kind)


def _of_steps(plan: Plan | None) -> str:
    return f"capsule, {_many(len(plan.nodes) + len(plan.finals) if plan else 0, 'step')}"


def from_here(name: str) -> str:
    """A path as seen from the current folder when it is inside, else as it was given."""
    path = Path(name)
    try:
        return str(path.relative_to(Path.cwd())) if path.is_absolute() else name
    except (ValueError, OSError):
        return name


def _of_constitution(name: str, content: bytes, source: Source) -> Found:
    loaded, mistakes = load_constitution(source)
    diagnostics = sorted(allow(source, mistakes), key=lambda one: (one.span, one.name))
    count = len(loaded.step_rules) + len(loaded.input_rules) if loaded else 0
    kind = f"constitution, {_many(count, 'rule')}"
    return Found(name, content, source, diagnostics, kind, digest=loaded.digest if loaded else None)


def _of_part(name: str, content: bytes, kind: str) -> Found:
    source, mistakes = check_part(name, content, kind)
    diagnostics = sorted(allow(source, mistakes), key=lambda one: (one.span, one.name))
    return Found(name, content, source, bounded(diagnostics), kind.lower())


def other_kind(source: Source) -> str:
    """What a document says that it is when that is no capsule and one of ours, else nothing."""
    if not any(kind in source.text for kind in _KINDS):
        return ""
    root, _ = read_yaml(source)
    kind = root.entries.get("kind") if isinstance(root, MappingNode) else None
    said = kind.value.plain() if kind is not None else None
    return said if isinstance(said, str) and said in _KINDS else ""


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _nothing_beside(path: str) -> list[FileBeside]:
    raise FileNotFoundError(2, "a capsule from standard input has no files beside it", path)
