"""A plan's expressions, parsed and compiled once: what each reads, what it gives, and how its failure is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, structs

from somagent.capsule_compiler.plan import Hole, Template
from somagent.governance.cel import (
    BorderError,
    EvaluationError,
    Reference,
    Value,
    compile_expr,
    parse,
    references,
    render_text,
    to_json,
)
from somagent.governance.cel.syntax import Has, Macro, Name
from somagent.governance.documents import Span
from somagent.operators.operator import StepFailure

_SHOWN_VALUES = 4
_SHOWN_CHARACTERS = 80

RAN = "steps that ran"
"""A name that no expression can spell: the steps that have outputs. In `steps` the others are there, too."""

Bindings = Mapping[str, Value]


class Reads(Struct, frozen=True):
    """The names that expressions use."""

    steps: frozenset[str]
    all_steps: bool  # `steps` as a whole
    run: frozenset[str]  # members of `run`
    others: frozenset[str]

    def __or__(self, other: Reads) -> Reads:
        """What either reads."""
        return Reads(
            self.steps | other.steps,
            self.all_steps or other.all_steps,
            self.run | other.run,
            self.others | other.others,
        )


NOTHING = Reads(frozenset(), all_steps=False, run=frozenset(), others=frozenset())
_RUN = frozenset({"id", "submitter", "startedAt", "spend", "phase"})


class Expression:
    """One expression; `evaluate` raises `StepFailure` that shows it."""

    __slots__ = ("_compiled", "_references", "reads", "text")

    def __init__(self, text: str) -> None:
        expr = parse(text)
        self.text = text
        self._references = references(expr)
        self.reads = _reads(self._references)
        asks = any(r.guarded and r.names[0] == "steps" and len(r.names) == 2 for r in self._references)
        self._compiled: Callable[[Bindings], Value] = compile_expr(_ask_apart(expr) if asks else expr)

    def evaluate(self, bindings: Bindings) -> Value:
        """The value."""
        try:
            return self._compiled(bindings)
        except EvaluationError as fault:
            raise StepFailure(
                "error", f"`{self.text}` has no value: {fault.message}{self.values_read(bindings)}"
            ) from None

    def json(self, bindings: Bindings) -> Any:
        """The value as JSON."""
        try:
            return to_json(self.evaluate(bindings))
        except BorderError as fault:
            raise StepFailure("error", f"`{self.text}`: {fault}") from None

    def values_read(self, bindings: Bindings) -> str:
        """What the expression reads, as the end of a message: `; a is 1, b is 2`. Empty when it reads nothing."""
        shown: dict[str, str] = {}
        for reference in self._references:
            name = ".".join(reference.names)
            shown.setdefault(f"has({name})" if reference.guarded else name, _shown(reference, bindings))
        if not shown:
            return ""
        parts = [f"{name} is {value}" for name, value in list(shown.items())[:_SHOWN_VALUES]]
        return f"; {', '.join(parts)}" + (", ..." if len(shown) > _SHOWN_VALUES else "")


class ReadyTemplate:
    """A template whose holes are compiled."""

    __slots__ = ("_holes", "_value", "reads")

    def __init__(self, template: Template) -> None:
        self._value = template.value
        self._holes = [(hole.at, *_ready(hole)) for hole in template.holes]
        self.reads = NOTHING
        for _, expressions, _ in self._holes:
            for expression in expressions:
                self.reads |= expression.reads

    @property
    def has_holes(self) -> bool:
        """Whether anything has to be known to render it."""
        return bool(self._holes)

    def render(self, bindings: Bindings) -> Any:
        """The value with its holes filled; raises `StepFailure` that names the place."""
        if not self._holes:
            return self._value
        root = [_copy(self._value)]
        for at, _, fill in self._holes:
            path = [0, *at]
            target: Any = root
            for key in path[:-1]:
                target = target[key]
            try:
                target[path[-1]] = fill(bindings)
            except StepFailure as fault:
                place = path_text(at)
                raise StepFailure("error", f"`{place}`: {fault.message}" if place else fault.message) from None
        return root[0]


def path_text(path: list[str | int]) -> str:
    """`env.TREE`, `include[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def brief(value: Any) -> str:
    """A value as a message shows it."""
    text = render_text(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _ready(hole: Hole) -> tuple[list[Expression], Callable[[Bindings], Any]]:
    if not hole.text:
        whole = Expression(hole.cel)
        return [whole], whole.json
    parts = [part if isinstance(part, str) else Expression(part.cel) for part in hole.text]

    def text(bindings: Bindings) -> str:
        return "".join(part if isinstance(part, str) else render_text(part.evaluate(bindings)) for part in parts)

    return [part for part in parts if isinstance(part, Expression)], text


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value


def _ask_apart(expr: Any) -> Any:
    """`has(steps.STEP)` asked of the steps that ran: in `steps` a skipped step is there, with its status alone."""
    match expr:
        case Has(operand=Name(name="steps", span=span)):
            return structs.replace(expr, operand=Name(RAN, span))
        case Macro(variable="steps"):
            return structs.replace(expr, target=_ask_apart(expr.target))
        case tuple():
            return tuple(_ask_apart(part) for part in expr)
    if not isinstance(expr, Struct) or isinstance(expr, Span):
        return expr
    return structs.replace(expr, **{name: _ask_apart(getattr(expr, name)) for name in expr.__struct_fields__})


def _reads(found: tuple[Reference, ...]) -> Reads:
    steps: set[str] = set()
    others: set[str] = set()
    run: set[str] = set()
    all_steps = False
    for reference in found:
        root, *members = reference.names
        if root == "steps":
            steps.update(members[:1])
            all_steps = all_steps or not members
        elif root == "run":
            run.update(members[:1] or _RUN)
        elif root != "inputs":
            others.add(root)
    return Reads(frozenset(steps), all_steps=all_steps, run=frozenset(run), others=frozenset(others))


def _shown(reference: Reference, bindings: Bindings) -> str:
    value: Any = bindings
    names = reference.names
    if reference.guarded and len(names) == 2 and names[0] == "steps":
        names = (RAN, names[1])
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return "false" if reference.guarded else "absent"
        value = value[name]
    return "true" if reference.guarded else brief(value)
