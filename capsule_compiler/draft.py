"""A capsule on its way to a plan: what the passes hand to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from somagent.capsule_compiler.catalogue import UNKNOWN, OperatorEntry
from somagent.capsule_compiler.diagnostics.codes import is_error
from somagent.capsule_compiler.language import Language
from somagent.capsule_compiler.model.capsule import DEFAULT_INDEX, DEFAULT_ITEM, Capsule, Operation, Step
from somagent.capsule_compiler.model.persona import Persona
from somagent.capsule_compiler.model.tool import Tool
from somagent.capsule_compiler.packages.opened import OpenPackage
from somagent.capsule_compiler.packages.source import NoPackages, PackageSource
from somagent.capsule_compiler.plan import FanOut, IncludedFile, Plan, Template
from somagent.capsule_compiler.readings import Reading, Readings
from somagent.governance.cel import Expr, OptionalMember, Reference, Size, Type
from somagent.governance.constitution import Constitution
from somagent.governance.documents import (
    Diagnostic,
    MappingNode,
    Node,
    Path,
    ScalarNode,
    Source,
    Span,
    below_header,
    in_document,
    key_at,
    node_at,
)
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


class Place(NamedTuple):
    """Where a capsule lies: a path beside the capsule that is compiled, or inside a version of a package."""

    package: str  # `namespace/name version`, or empty
    path: str

    def __str__(self) -> str:
        """As messages show it."""
        return "/".join([*self.package.split(), self.path])


class Family(Struct, frozen=True):
    """A capsule and all that it uses, directly or not: packages are chosen once, each capsule is compiled once."""

    packages: Mapping[str, OpenPackage]  # by name
    compiled: dict[Place, Child] = field(default_factory=dict)


class Within(Struct, frozen=True):
    """Where a capsule stands that another one uses."""

    family: Family
    chain: tuple[Place, ...]  # from the capsule that is compiled down to this one
    package: OpenPackage | None  # that it came with


class Given(Struct, frozen=True):
    """What the compiler is given besides the capsule's text."""

    language: Language
    constitution: Constitution
    files: FilesBeside
    packages: PackageSource = field(default_factory=NoPackages)
    locked: bool = False  # what the lock does not pin is refused
    within: Within | None = None  # of a capsule that another one uses
    readings: Readings = field(default_factory=Readings)


class Child(Struct, frozen=True):
    """A capsule that another one uses, compiled."""

    place: Place
    source: Source
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    contents: Mapping[str, bytes]
    height: int  # capsules from it down to the deepest one that it uses, itself included


class UsedFile(Struct, frozen=True):
    """A persona or a tool, as it was read."""

    name: str
    digest: str
    document: Mapping[str, Any]
    model: Persona | Tool


Use = Literal["if", "require", "forEach", "argument", "output"]


ExpressionKey = tuple[str, Path, str]


class Expression(Struct, frozen=True, gc=False):
    """An expression of the capsule and where it stands: by path, since lines above it may come and go."""

    step: str  # "" for the capsule's outputs
    use: Use
    at: Path  # from the step to the scalar
    reading: Reading  # its spans are offsets into the scalar's text
    in_text: bool = False  # rendered into a string, not a value of its own
    in_braces: bool = False  # that should not be there

    @property
    def key(self) -> ExpressionKey:
        """What tells it from all others."""
        return self.step, self.at, self.text

    @property
    def expr(self) -> Expr:
        """Its tree."""
        return self.reading.expr

    @property
    def text(self) -> str:
        """What is written, without blanks around it."""
        return self.reading.text

    @property
    def reads(self) -> tuple[Reference, ...]:
        """What it names of its scope."""
        return self.reading.reads


class StepDraft(Struct, frozen=True, gc=False):
    """A step that was read without a mistake of form."""

    id: str
    path: Path
    spec: Step
    operation: Operation
    final: bool
    written: frozenset[str]  # its keys as the text has them, those with mistakes inside included
    outputs: dict[str, dict[str, Any]] = {}  # JSON Schema of each, whoever declares it
    arguments: Template = Template()
    expressions: tuple[Expression, ...] = ()
    fan_out: FanOut | None = None
    needs: dict[str, Literal["data", "order"]] = {}
    verdict: StaticVerdict = "allow"
    secrets: tuple[str, ...] = ()  # that it was granted and gets, as expressions name them


class Scopes(NamedTuple):
    """What the expressions of a step may name: outside of its fan-out, and inside, where there is an item."""

    outer: Mapping[str, Type]
    inner: Mapping[str, Type]


def item_name(step: StepDraft) -> str:
    """What an item of the step's fan-out is called."""
    return step.spec.as_ if isinstance(step.spec.as_, str) else DEFAULT_ITEM


def index_name(step: StepDraft) -> str:
    """What an item's place in the list is called."""
    return step.spec.index_as if isinstance(step.spec.index_as, str) else DEFAULT_INDEX


class Draft(Struct, frozen=True):
    """Everything known so far. Passes return a new one."""

    source: Source
    given: Given
    root: Node | None = None
    capsule: Capsule | None = None
    steps: Mapping[str, StepDraft] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()  # ids of steps whose form is wrong; what they give is not known
    misnamed: frozenset[str] = frozenset()  # names of the wrong form; they are never suggested
    outputs: Mapping[str, Template] = field(default_factory=dict)
    output_expressions: tuple[Expression, ...] = ()
    output_schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scopes: Mapping[str, Scopes] = field(default_factory=dict)  # of each step; "" for the capsule's outputs
    untyped: frozenset[ExpressionKey] = frozenset()  # expressions that name what is not there, which was said
    optional: Mapping[ExpressionKey, tuple[OptionalMember, ...]] = field(default_factory=dict)  # that they name
    items: Mapping[str, Size] = field(default_factory=dict)  # how much each fan-out walks over, by step
    family: Family | None = None
    policies: Mapping[str, Constitution] = field(default_factory=dict)
    personas: Mapping[str, UsedFile] = field(default_factory=dict)
    tools: Mapping[str, UsedFile] = field(default_factory=dict)
    capsules: Mapping[str, Child] = field(default_factory=dict)  # those without an error, by alias
    files: tuple[IncludedFile, ...] = ()
    contents: Mapping[str, bytes] = field(default_factory=dict)  # of the included files, by path; see `Compilation`
    order: tuple[str, ...] = ()
    plan: Plan | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    def reporting(self, found: Sequence[Diagnostic]) -> Draft:
        """The same draft with more diagnostics, but for those at a place of which an error was said before."""
        if not found:
            return self
        said = {one.span for one in self.diagnostics if is_error(one)}
        text = self.source.text
        new = [replace(one, span=below_header(text, one.span)) for one in found]
        new = [one for one in new if one.span not in said]
        if self.misnamed:
            refused = {f"did you mean `{name}`?" for name in self.misnamed}
            new = [replace(one, note="", edit=None) if one.note in refused else one for one in new]
        return replace(self, diagnostics=(*self.diagnostics, *new))

    @property
    def file_name(self) -> str:
        """The capsule's file name, without folders."""
        return self.source.name.rsplit("/", 1)[-1]

    def entry(self, step: StepDraft) -> OperatorEntry:
        """What the catalogue says of a step's operator."""
        return self.given.language.catalogue.operators.get(step.operation.operator, UNKNOWN)

    def hinted(self, step: StepDraft, hint: str) -> Sequence[tuple[str, Any]]:
        """The arguments of a step whose schema has a hint, and what the hint says; none when they are no mapping."""
        operation = step.operation
        found = self.given.language.hints.get(operation.operator, {}).get(hint, ())
        return found if found and isinstance(operation.arguments, dict) else ()

    def written(self, path: Path) -> list[str]:
        """The keys of the mapping at a path as the text has them, those with mistakes inside included."""
        node = node_at(self.root, path) if self.root is not None else None
        return list(node.entries) if isinstance(node, MappingNode) else []

    def key_span(self, path: Path) -> Span:
        """Where the key at the end of a path stands."""
        key = key_at(self.root, path) if self.root is not None else None
        return key.span if key is not None else self.span(path)

    def span(self, path: Path) -> Span:
        """Where the node at a path stands; the nearest one above it when there is none."""
        while self.root is not None:
            node = node_at(self.root, path)
            if node is not None:
                return node.span
            path = path[:-1]
        return Span(0, 0)

    def scalar(self, one: Expression) -> ScalarNode:
        """The scalar in which an expression stands."""
        path = self.steps[one.step].path if one.step else ("spec",)
        node = node_at(self.root, (*path, *one.at)) if self.root is not None else None
        if not isinstance(node, ScalarNode):
            raise TypeError(f"{one.text} stands nowhere")
        return node

    def in_document(self, one: Expression, found: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Diagnostics whose spans are offsets into an expression's scalar, moved to their places in the document."""
        return in_document(self.source, self.scalar(one), found) if found else []
