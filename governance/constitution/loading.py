"""A constitution file read whole: every mistake in it at its place, or a constitution that can judge."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from somagent.governance.canonical import canonical_json, digest_of
from somagent.governance.cel import Field, ObjectType, Type
from somagent.governance.cel.types import ERROR
from somagent.governance.constitution.attribute_checks import check_attribute
from somagent.governance.constitution.attributes import attribute_type
from somagent.governance.constitution.constitution import Constitution, default_verdict
from somagent.governance.constitution.faults import ConstitutionRefused
from somagent.governance.constitution.model import Attribute, ConstitutionFile, Principle, Rule
from somagent.governance.constitution.rules import ReadyRule, condition_of
from somagent.governance.constitution.scopes import STEP_SCOPE
from somagent.governance.documents import (
    MAX_MISTAKES,
    Diagnostic,
    Entry,
    Label,
    MappingNode,
    Node,
    Path,
    ScalarNode,
    SequenceNode,
    Shape,
    ShapeCheck,
    Source,
    Span,
    bounded,
    key_at,
    model_schema,
    nearest,
    node_at,
    shape_of,
)

_PartT = TypeVar("_PartT")

_INPUT: Path = ("spec", "input")
_PRINCIPLES: Path = ("spec", "principles")
_RULES: Path = ("spec", "rules")


def load_constitution(source: Source) -> tuple[Constitution | None, list[Diagnostic]]:
    """The constitution in a file's text and every mistake in it; None when there is any mistake."""
    from somagent.governance.documents import read_yaml  # noqa: PLC0415 - 13 ms, and plans bring no YAML

    root, diagnostics = read_yaml(source)
    if root is None:
        return None, diagnostics
    reading = _Reading(source, root, diagnostics)
    return reading.constitution(), bounded(reading.diagnostics)


def constitution_from_document(document: Mapping[str, Any]) -> Constitution:
    """The constitution of a parsed document, held against everything that a file is held against.

    Raises `ConstitutionRefused`. Whether it is the document that was meant is told by `Constitution.digest`.
    """
    reading = _Reading(Source("document", ""), _node(document), [])
    constitution = reading.constitution()
    if constitution is None:
        raise ConstitutionRefused("; ".join(found.message for found in reading.diagnostics))
    return constitution


@cache
def _shape() -> Shape:
    return shape_of(model_schema(ConstitutionFile))


class _Reading:
    """One document's way to a constitution. What is malformed is left out, so that the rest is still checked."""

    def __init__(self, source: Source, root: Node, diagnostics: list[Diagnostic]) -> None:
        self._source = source
        self._root = root
        form = ShapeCheck(source)
        form.check(root, _shape(), ())
        self._bad_paths = form.bad_paths
        self.diagnostics = [*diagnostics, *form.diagnostics]

    def constitution(self) -> Constitution | None:
        if len(self.diagnostics) >= MAX_MISTAKES:
            return None  # the form was not looked through to its end
        attributes = self._attributes()
        principles = self._principles()
        input_rules, step_rules = self._rules(attributes, principles)
        if self.diagnostics:
            return None
        document = self._root.plain()
        file = msgspec.convert(document, ConstitutionFile)
        name, spec = file.metadata.name, file.spec
        digest = digest_of(canonical_json(document))
        return Constitution(
            name=name,
            version=spec.version,
            digest=digest,
            document=document,
            principles=tuple(spec.principles),
            input=spec.input,
            input_rules=input_rules,
            step_rules=step_rules,
            input_default=default_verdict(spec.otherwise, keyword="otherwise", name=name, digest=digest),
            step_default=default_verdict(spec.steps, keyword="steps", name=name, digest=digest),
        )

    def _attributes(self) -> dict[str, Type]:
        """The type of each attribute; of a malformed one, the type that fits everywhere."""
        types: dict[str, Type] = {}
        node = node_at(self._root, _INPUT)
        for name in node.entries if isinstance(node, MappingNode) else ():
            path = (*_INPUT, name)
            attribute = self._sound(path, Attribute)
            if attribute is None:
                types[name] = ERROR
                continue
            check_attribute(attribute, path, self._report)
            types[name] = attribute_type(attribute, f"input.{name}")
        return types

    def _principles(self) -> set[str]:
        first: dict[str, Path] = {}
        for path, _ in self._items(_PRINCIPLES):
            principle = self._sound(path, Principle)
            if principle is not None:
                self._once(principle.id, path, first, "principle")
        return set(first)

    def _rules(
        self, attributes: Mapping[str, Type], principles: set[str]
    ) -> tuple[tuple[ReadyRule, ...], tuple[ReadyRule, ...]]:
        input_type = ObjectType(
            {name: Field(type_) for name, type_ in attributes.items()},
            title="the constitution's input",
            member="attribute",
            fault="constitution-unknown-attribute",
        )
        scopes: dict[str, Mapping[str, Type]] = {"step": STEP_SCOPE, "input": {"input": input_type, **STEP_SCOPE}}
        ready: dict[str, list[ReadyRule]] = {"step": [], "input": []}
        first: dict[str, Path] = {}
        for path, _ in self._items(_RULES):
            rule = self._sound(path, Rule)
            if rule is None:
                continue
            self._once(rule.id, path, first, "rule")
            if rule.principle is not None and rule.principle not in principles:
                self._unknown_principle(rule.principle, path, principles)
            node = node_at(self._root, (*path, "when"))
            if not isinstance(node, ScalarNode):
                continue
            condition, reads, found = condition_of(self._source, node, rule.id, scopes[rule.scope])
            self.diagnostics.extend(found)
            if condition is not None:
                ready[rule.scope].append(ReadyRule(rule.id, rule.effect, rule.because, condition, reads))
        return tuple(ready["input"]), tuple(ready["step"])

    def _items(self, path: Path) -> list[tuple[Path, Node]]:
        node = node_at(self._root, path)
        items = node.items if isinstance(node, SequenceNode) else []
        return [((*path, index), item) for index, item in enumerate(items)]

    def _sound(self, path: Path, form: type[_PartT]) -> _PartT | None:
        """The part at a path as its model, None when its form has a mistake that is reported already."""
        node = node_at(self._root, path)
        if node is None or any(bad[: len(path)] == path for bad in self._bad_paths):
            return None
        return msgspec.convert(node.plain(), form)

    def _once(self, name: str, path: Path, first: dict[str, Path], what: str) -> None:
        here = (*path, "id")
        if name not in first:
            first[name] = here
            return
        self.diagnostics.append(
            Diagnostic(
                f"constitution-{what}-id-twice",
                f"the {what} `{name}` is here twice",
                self._span(here),
                note="again here",
                labels=(Label(self._span(first[name]), "first here"),),
                help="give one of the two another id",
            )
        )

    def _unknown_principle(self, name: str, path: Path, principles: set[str]) -> None:
        near = nearest(name, sorted(principles))
        known = ", ".join(f"`{principle}`" for principle in sorted(principles))
        self.diagnostics.append(
            Diagnostic(
                "constitution-unknown-principle",
                f"there is no principle `{name}`",
                self._span((*path, "principle")),
                note=f"did you mean `{near}`?" if near else "",
                help=f"principles: {known}" if known else "add it under `spec.principles`",
            )
        )

    def _report(self, fault: str, message: str, path: Path, help_: str) -> None:
        self.diagnostics.append(Diagnostic(fault, message, self._span(path), help=help_))

    def _span(self, path: Path) -> Span:
        node = node_at(self._root, path) or key_at(self._root, path) or self._root
        return node.span


def _node(value: Any) -> Node:
    """A tree without places, for a document that was parsed before."""
    nowhere = Span(0, 0)
    if isinstance(value, Mapping):
        mapping = MappingNode(nowhere)
        for key, member in value.items():
            mapping.entries[key] = Entry(ScalarNode(key, key, nowhere), _node(member))
        return mapping
    if isinstance(value, list):
        sequence = SequenceNode(nowhere)
        sequence.items = [_node(item) for item in value]
        return sequence
    return ScalarNode(value, value if isinstance(value, str) else str(value), nowhere)
