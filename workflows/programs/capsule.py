"""A capsule that was compiled: its plan, what there is to say about it, and its picture in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from somagent.capsule_compiler.diagnostics import render_all
from somagent.capsule_compiler.plan import Plan
from somagent.governance.documents import Diagnostic, Source
from somagent.workflows.capsules import Installation, compile_file, find_capsule, read_constitution, this_installation
from somagent.workflows.graph import MOST_STEPS, render_graph
from somagent.workflows.programs.picture import framed


class CapsuleRefused(Exception):
    """The capsule (or the constitution) has mistakes; the message shows all of them, `diagnostics` holds them."""

    def __init__(self, source: Source, diagnostics: Sequence[Diagnostic], inside: str = "") -> None:
        super().__init__("\n" + render_all(source, diagnostics) + inside)
        self.source = source
        self.diagnostics = tuple(diagnostics)


class Capsule(Struct, frozen=True):
    """A capsule without an error. A notebook shows it as a graph."""

    plan: Plan
    warnings: tuple[Diagnostic, ...]
    path: str  # where it was read
    files: Mapping[str, bytes]  # what it takes along, by path

    def __repr__(self) -> str:
        """In a line."""
        return f"<Capsule {self.plan.capsule.name}: {_steps(self.plan)}>"

    def _repr_svg_(self) -> str | None:
        return render_graph(self.plan, "svg") if _count(self.plan) <= MOST_STEPS else None

    def _repr_html_(self) -> str:
        said = f"{self.plan.capsule.name}: {_steps(self.plan)}"
        return framed(said, self._repr_svg_() or "")


def compile_capsule(capsule: str | Path, *, constitution: str | Path | None = None) -> Capsule:
    """Compiles a capsule file, or a library capsule by its name.

    Raises `CapsuleRefused` with every mistake, and `somagent.workflows.capsules.NotReadable`.
    """
    return compiled(capsule, constitution, this_installation())


def compiled(capsule: str | Path | Capsule, constitution: str | Path | None, installation: Installation) -> Capsule:
    """The capsule, compiled unless it is already."""
    if isinstance(capsule, Capsule):
        if constitution is not None:
            raise TypeError("this capsule was compiled with its constitution; give `constitution` to `compile`")
        return capsule
    source, book, mistakes = read_constitution(Path(constitution) if constitution else None)
    if book is None:
        raise CapsuleRefused(source, mistakes)
    path = find_capsule(str(capsule))
    compilation = compile_file(path, installation, book)
    if compilation.plan is None:
        inside = "".join(render_all(child.source, child.diagnostics) for child in compilation.inner)
        raise CapsuleRefused(compilation.source, compilation.diagnostics, inside)
    return Capsule(compilation.plan, compilation.diagnostics, str(path.resolve()), compilation.contents)


def _count(plan: Plan) -> int:
    return len(plan.nodes) + len(plan.finals)


def _steps(plan: Plan) -> str:
    return f"{_count(plan):,} step{'' if _count(plan) == 1 else 's'}"
