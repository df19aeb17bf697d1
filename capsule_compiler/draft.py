"""A capsule on its way to a plan: what the passes hand to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from somagent.capsule_compiler.language import Language
from somagent.capsule_compiler.model.capsule import Capsule, Operation, Step
from somagent.capsule_compiler.plan import FanOut, IncludedFile, Plan, Template
from somagent.governance.cel import Expr, Type
from somagent.governance.constitution import Constitution
from somagent.governance.documents import Diagnostic, Label, Node, Path, ScalarNode, Source, Span, locate, node_at
from somagent.governance.verdict import StaticVerdict

STEPS: Path = ("spec", "steps")
FINALLY: Path = ("spec", "finally")


class FileBeside(NamedTuple):
    """A file beside the capsule: its path from the capsule's folder, with forward slashes."""

    path: str
    content: bytes
    executable: bool


# Gives the file at a path beside the capsule, or all files of the folder there; raises OSError.
FilesBeside = Callable[[str], Sequence[FileBeside]]


@dataclass(frozen=True, slots=True)
class Given:
    """What the compiler is given besides the capsule's text."""

    language: Language
    constitution: Constitution
    files: FilesBeside


Use = Literal["if", "require", "forEach", "argument", "output"]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression of the capsule and where it stands."""

    step: str  # "" for the capsule's outputs
    use: Use
    at: Path  # from the step to the scalar
    node: ScalarNode
    expr: Expr  # its spans are offsets into the scalar's text
    text: str
    in_text: bool = False  # rendered into a string, not a value of its own


@dataclass(frozen=True, slots=True)
class StepDraft:
    """A step that was read without a mistake of form."""

    id: str
    path: Path
    spec: Step
    operation: Operation
    final: bool
    arguments: Template = field(default_factory=Template)
    expressions: tuple[Expression, ...] = ()
    fan_out: FanOut | None = None
    needs: Mapping[str, Literal["data", "order"]] = field(default_factory=dict)
    verdict: StaticVerdict = "allow"


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything known so far. Passes return a new one."""

    source: Source
    given: Given
    root: Node | None = None
    capsule: Capsule | None = None
    steps: Mapping[str, StepDraft] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()  # ids of steps whose form is wrong; references to them are not reported
    outputs: Mapping[str, Template] = field(default_factory=dict)
    output_expressions: tuple[Expression, ...] = ()
    output_types: Mapping[str, Type] = field(default_factory=dict)
    policies: Mapping[str, Constitution] = field(default_factory=dict)
    files: tuple[IncludedFile, ...] = ()
    contents: Mapping[str, bytes] = field(default_factory=dict)  # of the included files, by path
    order: tuple[str, ...] = ()
    plan: Plan | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    def reporting(self, found: Sequence[Diagnostic]) -> Draft:
        """The same draft with more diagnostics."""
        return replace(self, diagnostics=(*self.diagnostics, *found)) if found else self

    def span(self, path: Path) -> Span:
        """Where the node at a path stands; the nearest one above it when there is none."""
        while self.root is not None:
            node = node_at(self.root, path)
            if node is not None:
                return node.span
            path = path[:-1]
        return Span(0, 0)

    def in_document(self, node: ScalarNode, found: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Diagnostics whose spans are offsets into a scalar's text, moved to their places in the document."""
        return [_moved(self.source, node, one) for one in found]


def _moved(source: Source, node: ScalarNode, one: Diagnostic) -> Diagnostic:
    labels = tuple(Label(locate(source, node, label.span), label.text) for label in one.labels)
    edit = replace(one.edit, span=locate(source, node, one.edit.span)) if one.edit else None
    return replace(one, span=locate(source, node, one.span), labels=labels, edit=edit)
