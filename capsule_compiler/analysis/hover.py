"""What is shown when a person points at something: its type, and what is known about it in words."""

from __future__ import annotations

from typing import NamedTuple

from somagent.capsule_compiler.analysis.analysis import Analysis
from somagent.capsule_compiler.analysis.expressions import Part, part_at
from somagent.capsule_compiler.analysis.navigation import occurrence_at
from somagent.capsule_compiler.analysis.occurrences import Meant
from somagent.capsule_compiler.analysis.place import place_at
from somagent.capsule_compiler.analysis.schemas import JsonSchema, Schemas
from somagent.capsule_compiler.analysis.typing_report import spell
from somagent.capsule_compiler.analysis.words import word
from somagent.capsule_compiler.draft import Draft
from somagent.governance.cel import DYN, Field, ListType, ObjectType, Type, write
from somagent.governance.cel.syntax import Call, Has, Macro, Name, Select
from somagent.governance.documents import Path, Span, key_at


class Hover(NamedTuple):
    """`code` is a line or more in the capsule's own notation, `text` is Markdown below it."""

    span: Span
    code: str
    text: str


def hover(analysis: Analysis, schemas: Schemas, offset: int) -> Hover | None:
    """What there is to say about an offset; nothing while the text cannot be read."""
    if not analysis.current:
        return None
    part = part_at(analysis.draft, offset)
    if part is not None:
        return _of_part(part)
    here = occurrence_at(analysis, offset)
    if here is not None and here.meant.kind in {"step", "input", "output"}:
        shown = _of_name(analysis.draft, here.meant)
        if shown is not None:
            return Hover(here.span, *shown)
    return _of_key(analysis, schemas, offset)


def _of_part(part: Part) -> Hover:
    node, inner = part.node, part.inner
    if isinstance(node, Call | Macro):
        name, span = (node.function, node.function_span) if isinstance(node, Call) else (node.macro, node.macro_span)
        known = word(name)
        if known is not None and span.start <= inner <= span.end:
            return Hover(part.span, known.signature, f"{known.doc}\n\nHere it gives `{_shown(part, node)}`.".strip())
    doc = ""
    if isinstance(node, Select | Has):
        of = part.types.get(id(node.operand))
        field = of.fields.get(node.field) if isinstance(of, ObjectType) else None
        doc = _about(field)
    elif isinstance(node, Name):
        doc = _SCOPE.get(node.name, "")
    return Hover(part.span, f"{write(node)}: {_shown(part, node)}", doc)


_SCOPE = {
    "inputs": "What the run was given.",
    "steps": "What other steps gave, by their ids. Reading from a step waits for it.",
    "run": "The run itself.",
    "secrets": "Secrets under `uses.secrets`; each may go only where `grantTo` says.",
}


def _shown(part: Part, node: object) -> str:
    return spell(part.types.get(id(node), DYN))


def _about(field: Field | None) -> str:
    if field is None:
        return ""
    return field.doc if field.required else f"{field.doc}\n\nMay be missing: ask with `has(...)`.".strip()


def _of_name(draft: Draft, meant: Meant) -> tuple[str, str] | None:
    outer = draft.scopes[""].outer if "" in draft.scopes else {}
    steps, inputs = outer.get("steps"), outer.get("inputs")
    if meant.kind == "input" and isinstance(inputs, ObjectType) and meant.name in inputs.fields:
        field = inputs.fields[meant.name]
        return f"inputs.{meant.name}: {spell(field.type)}", field.doc
    step = draft.steps.get(meant.names[0])
    field_of = steps.fields.get(meant.names[0]) if isinstance(steps, ObjectType) else None
    if step is None or field_of is None:
        return None
    if meant.kind == "step":
        lines = [f"steps.{step.id}: {_kind(field_of.type)}{step.operation.operator} step"]
        outputs = _outputs(field_of.type)
        lines += [f"  {name}: {spell(one.type)}" for name, one in outputs.items()]
        waits = ", ".join(f"`{name}`" for name in step.needs)
        return "\n".join(lines), f"{draft.entry(step).summary}.\n\nWaits for {waits or 'nothing'}."
    member = _outputs(field_of.type).get(meant.name)
    return None if member is None else (f"steps.{step.id}.{meant.name}: {spell(member.type)}", member.doc)


def _kind(type_: Type) -> str:
    return "list, one for each item of a " if isinstance(type_, ListType) else ""


def _outputs(type_: Type) -> dict[str, Field]:
    of = type_.item if isinstance(type_, ListType) else type_
    return dict(of.fields) if isinstance(of, ObjectType) else {}


def _of_key(analysis: Analysis, schemas: Schemas, offset: int) -> Hover | None:
    draft = analysis.draft
    end = _end_of_word(analysis.source.text, offset)
    place = place_at(analysis.source.text, end)
    path: Path = (*place.path, place.typed) if place.kind == "key" else place.path
    key = key_at(draft.root, path) if draft.root is not None and path else None
    schema = schemas.at(path, draft.root)
    text = _words(schema)
    if key is None or not key.span.start <= offset <= key.span.end or not text:
        return None
    return Hover(key.span, f"{path[-1]}: {_type(schema)}", text)


def _end_of_word(text: str, offset: int) -> int:
    while offset < len(text) and (text[offset].isalnum() or text[offset] in "_-$"):
        offset += 1
    return offset


def _type(schema: JsonSchema) -> str:
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    return str(schema.get("const", schema.get("type", "any value")))


def _words(schema: JsonSchema) -> str:
    """Description, default and examples, in Markdown."""
    lines = [str(schema.get("description", ""))]
    if schema.get("default") not in (None, {}, [], ""):
        lines.append(f"Default: `{schema['default']}`")
    examples = schema.get("examples", ())
    if examples:
        lines.append("For example " + ", ".join(f"`{one}`" for one in examples))
    return "\n\n".join(line for line in lines if line)
