"""Every place where something of a capsule is defined or named, whatever the notation: the ground of navigation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Literal, NamedTuple

from msgspec import UNSET

from somagent.capsule_compiler.catalogue import POLICY_SET
from somagent.capsule_compiler.catalogue import USES as OF_SECTION
from somagent.capsule_compiler.draft import FINALLY, STEPS, Draft, Expression, StepDraft
from somagent.capsule_compiler.value_types import REF
from somagent.governance.cel import ObjectType, Type, node_types
from somagent.governance.cel.syntax import Expr, Has, Index, Macro, Name, Select, children
from somagent.governance.cel.syntax import Literal as Constant
from somagent.governance.documents import MappingNode, Node, Path, ScalarNode, SequenceNode, Span, locator, node_at

Kind = Literal["step", "output", "input", "type", "use", "item"]
_STEP_OF = re.compile(r"step `([a-z0-9_]+)`")
USES = ("personas", "tools", "policies", "capsules", "secrets")


class Meant(NamedTuple):
    """What a name stands for: `("output", "test", "coverage")`, `("use", "policies", "release")`."""

    kind: Kind
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name as it is written."""
        return self.names[-1]


class Occurrence(NamedTuple):
    """A place in the text where something is named."""

    meant: Meant
    span: Span
    defines: bool = False
    grants: bool = False  # stands in `grantTo`


def occurrences(draft: Draft) -> list[Occurrence]:
    """All of them, in the order of the text."""
    found = [*_definitions(draft), *_plain_references(draft), *_in_expressions(draft)]
    return sorted(dict.fromkeys(found), key=lambda one: one.span)


def _definitions(draft: Draft) -> Iterator[Occurrence]:
    for name, key in _keys(draft, ("spec", "inputs")):
        yield _key(Meant("input", (name,)), key)
    for name, key in _keys(draft, ("spec", "types")):
        yield _key(Meant("type", (name,)), key)
    for section in USES:
        for name, key in _keys(draft, ("spec", "uses", section)):
            yield _key(Meant("use", (section, name)), key)
    for path in (STEPS, FINALLY):
        for step, key in _keys(draft, path):
            yield _key(Meant("step", (step,)), key)
            for output, inner in _keys(draft, (*path, step, "outputs")):
                yield _key(Meant("output", (step, output)), inner)
            for field in ("as", "indexAs"):
                node = _at(draft, (*path, step, field))
                if isinstance(node, ScalarNode) and isinstance(node.value, str):
                    yield Occurrence(Meant("item", (step, node.value)), _unquoted(draft, node), defines=True)


def _plain_references(draft: Draft) -> Iterator[Occurrence]:
    for path in (STEPS, FINALLY):
        for step, _ in _keys(draft, path):
            needs = _at(draft, (*path, step, "needs"))
            for item in needs.items if isinstance(needs, SequenceNode) else ():
                if isinstance(item, ScalarNode):
                    yield Occurrence(Meant("step", (item.text,)), _unquoted(draft, item))
    for step_draft in draft.steps.values():
        yield from _aliases(draft, step_draft)
    for section in (("spec", "uses", "secrets"), ("spec", "inputs")):
        for name, _ in _keys(draft, section):
            yield from _grants(draft, (*section, name, "grantTo"))
    if draft.root is not None:
        yield from _refs(draft, draft.root)


def _aliases(draft: Draft, step: StepDraft) -> Iterator[Occurrence]:
    """What a step's arguments name of `uses`."""
    sets = [(name, "policies") for name, _ in draft.hinted(step, POLICY_SET)]
    for name, section in [*sets, *draft.hinted(step, OF_SECTION)]:
        node = _at(draft, (*step.path, *step.operation.at, name))
        for one in node.items if isinstance(node, SequenceNode) else (node,):
            if isinstance(one, ScalarNode):
                yield Occurrence(Meant("use", (section, one.text)), _unquoted(draft, one))


def _grants(draft: Draft, path: Path) -> Iterator[Occurrence]:
    """What `grantTo` names: a tool, a capsule, a step, or several of one name."""
    node = _at(draft, path)
    for one in node.items if isinstance(node, SequenceNode) else ():
        if isinstance(one, ScalarNode):
            for section in ("tools", "capsules"):
                if one.text in draft.written(("spec", "uses", section)):
                    yield Occurrence(Meant("use", (section, one.text)), _unquoted(draft, one), grants=True)
            if one.text in draft.steps or one.text in draft.broken:
                yield Occurrence(Meant("step", (one.text,)), _unquoted(draft, one), grants=True)


def _refs(draft: Draft, node: Node) -> Iterator[Occurrence]:
    if isinstance(node, MappingNode):
        for name, entry in node.entries.items():
            value = entry.value
            if name == "$ref" and isinstance(value, ScalarNode) and value.text.startswith(REF):
                span = _unquoted(draft, value)
                yield Occurrence(Meant("type", (value.text[len(REF) :],)), Span(span.start + len(REF), span.end))
            elif not isinstance(value, ScalarNode):
                yield from _refs(draft, value)
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from _refs(draft, item)


def _in_expressions(draft: Draft) -> Iterator[Occurrence]:
    written = [one for step in draft.steps.values() for one in step.expressions]
    for _, group in groupby([*written, *draft.output_expressions], key=lambda one: (one.step, one.at)):
        ones = list(group)
        place = locator(draft.source, draft.scalar(ones[0]))
        for one in ones:
            yield from in_expression(draft, one, place)


def scope_of(draft: Draft, one: Expression) -> dict[str, Type]:
    """What an expression may name."""
    scopes = draft.scopes.get(one.step) or draft.scopes.get("")
    if scopes is None:
        return {}
    return dict(scopes.inner if one.use == "argument" else scopes.outer)


def in_expression(draft: Draft, one: Expression, place: Callable[[Span], Span]) -> Iterator[Occurrence]:
    """What an expression names; `place` tells where a span of its text stands."""
    scope = scope_of(draft, one)
    types = node_types(one.expr, scope)
    items = _item_names(draft, one)
    stack: list[tuple[Expr, frozenset[str]]] = [(one.expr, frozenset())]
    while stack:
        node, bound = stack.pop()
        if isinstance(node, Name):
            if node.name in items and node.name not in bound:
                yield Occurrence(Meant("item", (one.step, node.name)), place(node.span))
            continue
        if isinstance(node, Macro):
            stack.append((node.target, bound))
            inner = bound | {node.variable}
            stack += [(part, inner) for part in (node.condition, node.body) if part is not None]
            continue
        meant = _member(node, types)
        if meant is not None:
            yield Occurrence(meant[0], place(meant[1]))
        stack += [(part, bound) for part in children(node)]


def _item_names(draft: Draft, one: Expression) -> frozenset[str]:
    scopes = draft.scopes.get(one.step)
    if scopes is None or one.use != "argument":
        return frozenset()
    return frozenset(name for name in scopes.inner if name not in scopes.outer)


def _member(node: Expr, types: dict[int, Type]) -> tuple[Meant, Span] | None:
    match node:
        case Select(operand, name, span) | Has(operand, name, span):
            pass
        case Index(operand, Constant(str() as name, raw, span)) if len(raw) == len(name) + 2:
            span = Span(span.start + 1, span.end - 1)
        case _:
            return None
    of = types.get(id(operand))
    if not isinstance(of, ObjectType):
        return None
    if of.fault == "unknown-step":
        return Meant("step", (name,)), span
    if of.fault == "unknown-input":
        return Meant("input", (name,)), span
    if of.fault == "unknown-secret":
        return Meant("use", ("secrets", name)), span
    step = _STEP_OF.fullmatch(of.title)
    if of.fault == "unknown-output" and step is not None:
        return Meant("output", (step[1], name)), span
    return None


def _key(meant: Meant, key: Span) -> Occurrence:
    return Occurrence(meant, key, defines=True)


def _keys(draft: Draft, path: Path) -> Iterator[tuple[str, Span]]:
    node = _at(draft, path)
    if isinstance(node, MappingNode):
        for name, entry in node.entries.items():
            yield name, _unquoted(draft, entry.key)


def _at(draft: Draft, path: Path) -> Node | None:
    return node_at(draft.root, path) if draft.root is not None else None


def _unquoted(draft: Draft, node: ScalarNode) -> Span:
    """Where the text of a scalar stands, without its quotes."""
    if draft.source.text[node.span.start : node.span.start + 1] in {"'", '"'}:
        return Span(node.span.start + 1, max(node.span.start + 1, node.span.end - 1))
    return node.span


def item_name(step: StepDraft) -> str | None:
    """What the item of a fan-out is called; None when there is none."""
    if step.spec.for_each is UNSET:
        return None
    return step.spec.as_ if isinstance(step.spec.as_, str) else "item"
