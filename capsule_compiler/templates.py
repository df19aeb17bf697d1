"""Strings with `${{ }}` become templates: values with holes, and the expressions that fill them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from somagent.capsule_compiler.draft import Draft, Expression, Use
from somagent.capsule_compiler.plan import Cel, Hole, Template
from somagent.governance.cel import SyntaxFault, has_holes, parse, parse_template
from somagent.governance.documents import Diagnostic, Path, ScalarNode, node_at


class TemplateReader:
    """Reads the expressions of one step (or of the capsule's outputs); collects what is wrong with them."""

    def __init__(self, draft: Draft, step: str, path: Path) -> None:
        self.expressions: list[Expression] = []
        self.diagnostics: list[Diagnostic] = []
        self._draft = draft
        self._step = step
        self._path = path

    def bare(self, use: Use, at: Path) -> None:
        """A scalar that is CEL as it stands, such as `if`."""
        node = self._node(at)
        if node is None:
            return
        text = node.text
        if has_holes(text):
            self.diagnostics.append(
                Diagnostic(
                    "expression-in-braces",
                    f"`{at[-1]}` is an expression already",
                    node.span,
                    help="write it without `${{ }}`",
                )
            )
            return
        try:
            expr = parse(text)
        except SyntaxFault as fault:
            self.diagnostics += self._draft.in_document(node, fault.diagnostics)
            return
        self.expressions.append(Expression(self._step, use, at, node, expr, text))

    def template(self, use: Use, at: Path, value: Any) -> Template:
        """A plain value whose strings may have holes."""
        holes: list[Hole] = []
        result = self._fill(use, at, value, (), holes)
        return Template(value=result, holes=holes)

    def _fill(self, use: Use, at: Path, value: Any, inner: Path, holes: list[Hole]) -> Any:
        if type(value) is dict:
            return {key: self._fill(use, at, part, (*inner, key), holes) for key, part in value.items()}
        if type(value) is list:
            return [self._fill(use, at, part, (*inner, index), holes) for index, part in enumerate(value)]
        if type(value) is str and has_holes(value):
            return self._hole(use, (*at, *inner), value, inner, holes)
        return value

    def _hole(self, use: Use, at: Path, text: str, inner: Path, holes: list[Hole]) -> str | None:
        node = self._node(at)
        if node is None:
            return text
        try:
            template = parse_template(text)
        except SyntaxFault as fault:
            self.diagnostics += self._draft.in_document(node, fault.diagnostics)
            return None
        parts: list[str | Cel] = []
        for part in template.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            self.expressions.append(
                Expression(self._step, use, at, node, part.expr, part.text, in_text=not template.whole)
            )
            parts.append(Cel(cel=part.text))
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)  # only escaped braces
        first = parts[0]
        if template.whole and isinstance(first, Cel):
            holes.append(Hole(at=list(inner), cel=first.cel))
        else:
            holes.append(Hole(at=list(inner), text=parts))
        return None

    def _node(self, at: Path) -> ScalarNode | None:
        node = node_at(self._draft.root, (*self._path, *at)) if self._draft.root is not None else None
        return node if isinstance(node, ScalarNode) else None


def own_expressions(expressions: tuple[Expression, ...], use: Use) -> Iterator[Expression]:
    """Those of one use."""
    return (one for one in expressions if one.use == use)
