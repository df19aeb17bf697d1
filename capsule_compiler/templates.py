"""Strings with `${{ }}` become templates: values with holes, and the expressions that fill them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from somagent.capsule_compiler.draft import Draft, Expression, Use
from somagent.capsule_compiler.plan import Cel, Hole, Template
from somagent.capsule_compiler.readings import Reading
from somagent.governance.cel import SyntaxFault, has_holes
from somagent.governance.documents import Diagnostic, Edit, Path, ScalarNode, in_document, node_at, plainest

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
            self._in_braces(use, at, node)
            return
        try:
            reading = self._readings.bare(text)
        except SyntaxFault as fault:
            self._report(node, fault.diagnostics)
            return
        self._add(use, at, reading)

    def _in_braces(self, use: Use, at: Path, node: ScalarNode) -> None:
        """What is inside the braces is looked at all the same; if it can be read, the types say what is to be said."""
        template = self._readings.template(node.text)
        around = any(isinstance(part, str) and part.strip() for part in template.parts)
        if len(template.holes) == 1 and not around and not template.faults:
            self._add(use, at, template.holes[0], in_braces=True)
            return
        self._report(node, template.faults)
        message, help_ = f"`{at[-1]}` is an expression already", "write it without `${{ }}`"
        self.diagnostics.append(Diagnostic("expression-in-braces", message, node.span, help=help_))

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

    def _add(self, use: Use, at: Path, reading: Reading, *, in_text: bool = False, in_braces: bool = False) -> None:
        self.expressions.append(Expression(self._step, use, at, reading, in_text, in_braces))

    def _report(self, node: ScalarNode, found: Sequence[Diagnostic]) -> None:
        self.diagnostics += in_document(self._source, node, found)

    def _node(self, at: Path) -> ScalarNode | None:
        node = node_at(self._root, at) if self._root is not None else None
        return node if isinstance(node, ScalarNode) else None


def expression_in_braces(draft: Draft, one: Expression, *, sound: bool) -> Diagnostic:
    """What is said of braces around what is an expression already; `sound`: that is all that is wrong with it."""
    keyword, node = one.at[-1], draft.scalar(one)
    edit = None
    if sound and "\n" not in node.text:
        text = plainest(one.text, in_block=draft.source.text[node.span.start] not in "\"'")
        edit = Edit(node.span, text, "take the braces away", safe=True)
    help_ = f"write `{keyword}: {edit.text}`" if edit else "write it without `${{ }}`"
    return Diagnostic("expression-in-braces", f"`{keyword}` is an expression already", node.span, help=help_, edit=edit)
