"""Strings with `${{ }}` become templates: values with holes, and the expressions that fill them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from somagent.capsule_compiler.draft import Draft, Expression, Use
from somagent.capsule_compiler.plan import Cel, Hole, Template
from somagent.capsule_compiler.readings import Reading
from somagent.governance.cel import SyntaxFault, has_holes
from somagent.governance.documents import Diagnostic, Edit, Path, ScalarNode, in_document, node_at

_ENTRY = 2  # parts of the path to an entry of an argument that is a list


class TemplateReader:
    """Reads the expressions of one step (or of the capsule's outputs); collects what is wrong with them."""

    def __init__(self, draft: Draft, step: str, path: Path) -> None:
        self.expressions: list[Expression] = []
        self.diagnostics: list[Diagnostic] = []
        self._source = draft.source
        self._step = step
        self._path = path
        self._readings = draft.given.readings
        self._lists: frozenset[str] = frozenset()
        self._root = node_at(draft.root, path) if draft.root is not None else None

    def bare(self, use: Use, at: Path) -> None:
        """A scalar that is CEL as it stands, such as `if`."""
        node = self._node(at)
        if node is None:
            return
        text = node.text
        if has_holes(text):
            self.diagnostics.append(_in_braces(str(at[-1]), node))
            return
        try:
            reading = self._readings.bare(text)
        except SyntaxFault as fault:
            self._report(node, fault.diagnostics)
            return
        self._add(use, at, reading)

    def whole(self, use: Use, at: Path) -> bool:
        """A scalar that is one hole and nothing else; whether it is, or has been reported."""
        node = self._node(at)
        if node is None:
            return True
        template = self._readings.template(node.text)
        if template.faults:
            self._report(node, template.faults)
            return True
        holes = template.holes
        if len(holes) != 1 or any(isinstance(part, str) and part.strip() for part in template.parts):
            return False
        self._add(use, at, holes[0])
        return True

    def template(self, use: Use, at: Path, value: Any, bare: frozenset[str] = frozenset()) -> Template:
        """A plain value whose strings may have holes; in the lists that `bare` names they are expressions anyway."""
        holes: list[Hole] = []
        self._lists = bare
        result = self._fill(use, at, value, (), holes)
        if len(holes) > 1:
            holes.sort(key=lambda hole: [str(part) for part in hole.at])  # the order of keys in the text means nothing
        return Template(value=result, holes=holes)

    def _fill(self, use: Use, at: Path, value: Any, inner: Path, holes: list[Hole]) -> Any:
        if type(value) is dict:
            return {key: self._fill(use, at, part, (*inner, key), holes) for key, part in value.items()}
        if type(value) is list:
            return [self._fill(use, at, part, (*inner, index), holes) for index, part in enumerate(value)]
        if type(value) is str:
            if has_holes(value):
                return self._hole(use, (*at, *inner), value, inner, holes)
            if len(inner) == _ENTRY and inner[0] in self._lists:
                return self._entry(use, (*at, *inner), inner, holes)
        return value

    def _entry(self, use: Use, at: Path, inner: Path, holes: list[Hole]) -> None:
        """An entry of a list of expressions, written without braces."""
        before = len(self.expressions)
        self.bare(use, at)
        holes += [Hole(at=list(inner), cel=one.text) for one in self.expressions[before:]]

    def _hole(self, use: Use, at: Path, text: str, inner: Path, holes: list[Hole]) -> str | None:
        node = self._node(at)
        if node is None:
            return text
        template = self._readings.template(text)
        self._report(node, template.faults)
        if template.faults:  # the other holes are looked at all the same
            for reading in template.holes:
                self._add(use, at, reading, in_text=True)
            return None
        filled = template.holes
        whole = len(template.parts) == len(filled) == 1
        for reading in filled:
            self._add(use, at, reading, in_text=not whole)
        if not filled:
            return "".join(str(part) for part in template.parts)  # only escaped braces
        if whole:
            holes.append(Hole(at=list(inner), cel=filled[0].text))
        else:
            parts = [part if isinstance(part, str) else Cel(cel=part.text) for part in template.parts]
            holes.append(Hole(at=list(inner), text=parts))
        return None

    def _add(self, use: Use, at: Path, reading: Reading, *, in_text: bool = False) -> None:
        self.expressions.append(Expression(self._step, use, at, reading, in_text=in_text))

    def _report(self, node: ScalarNode, found: Sequence[Diagnostic]) -> None:
        self.diagnostics += in_document(self._source, node, found)

    def _node(self, at: Path) -> ScalarNode | None:
        node = node_at(self._root, at) if self._root is not None else None
        return node if isinstance(node, ScalarNode) else None


def _in_braces(keyword: str, node: ScalarNode) -> Diagnostic:
    text = node.text.strip()
    inner = text.removeprefix("${{").removesuffix("}}").strip()
    edit = None
    if text.startswith("${{") and text.endswith("}}") and not has_holes(inner) and node.text.count("\n") == 0:
        edit = _as_plain(node, inner)
    help_ = f"write `{keyword}: {edit.text}`" if edit else "write it without `${{ }}`"
    return Diagnostic("expression-in-braces", f"`{keyword}` is an expression already", node.span, help=help_, edit=edit)


def _as_plain(node: ScalarNode, expression: str) -> Edit | None:
    """The scalar written as an expression of its own, quoted so that no character of it means anything to YAML."""
    if "\n" in expression:
        return None
    quoted = "'" + expression.replace("'", "''") + "'"
    return Edit(node.span, quoted, "take the braces away", safe=True)
