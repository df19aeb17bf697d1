"""What could be written at a place: keys, values, and what expressions may name there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from somagent.capsule_compiler.analysis.analysis import Analysis
from somagent.capsule_compiler.analysis.occurrences import USES
from somagent.capsule_compiler.analysis.place import Place, keys_beside, place_at
from somagent.capsule_compiler.analysis.schemas import JsonSchema, Schemas, keys_at
from somagent.capsule_compiler.analysis.tails import Tail, tail
from somagent.capsule_compiler.analysis.typing_report import spell
from somagent.capsule_compiler.analysis.words import Word, functions, methods
from somagent.capsule_compiler.catalogue import POLICY_SET
from somagent.capsule_compiler.draft import FINALLY, STEPS, Draft
from somagent.capsule_compiler.environment import MEMBERS_OF_STEPS
from somagent.capsule_compiler.schema import OPERATOR_KEY
from somagent.capsule_compiler.snippets import operator_snippet
from somagent.capsule_compiler.value_types import REF
from somagent.governance.cel import DYN, ListType, ObjectType, Type
from somagent.governance.documents import HINTS, Path, Span

CompletionKind = Literal["key", "operator", "value", "step", "field", "variable", "function", "type"]
_BARE = frozenset({"if", "require"})
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Completion(NamedTuple):
    """Something that could stand here. `insert` is a snippet as the language server protocol writes them."""

    label: str
    kind: CompletionKind
    span: Span  # what it replaces
    insert: str
    detail: str = ""
    doc: str = ""
    rank: int = 5


def completions(analysis: Analysis, schemas: Schemas, offset: int) -> list[Completion]:
    """What could be written at an offset, best first; what is typed already is left to the editor to filter by."""
    text = analysis.source.text
    place = place_at(text, offset)
    typed = expression_before(text, place, offset)
    if typed is not None:
        found = _in_expression(analysis.known, place.path, typed, offset)
    else:
        found = _in_yaml(analysis, schemas, place, offset)
    return sorted(found, key=lambda one: (one.rank, one.label))


def expression_before(text: str, place: Place, offset: int) -> str | None:
    """The expression that the offset is in, up to it; None outside of expressions."""
    if place.kind == "value" and place.path and place.path[-1] in _BARE and _is_field_of_step(place.path):
        return text[place.start : offset]
    begin = max(text.rfind("\n", 0, offset) + 1, place.start if place.kind == "value" else 0)
    if place.kind == "value":
        begin = min(begin, place.start)
    opened = text.rfind("${{", begin, offset)
    if opened < 0 or text[max(0, opened - 1)] == "$" or text.find("}}", opened, offset) >= 0:
        return None
    return text[opened + 3 : offset].replace('\\"', '"')


def _is_field_of_step(path: Path) -> bool:
    return len(path) == 4 and path[:2] in (STEPS, FINALLY)


def _in_expression(draft: Draft, path: Path, typed: str, offset: int) -> Iterator[Completion]:
    end = tail(typed, _scope(draft, path))
    span = Span(offset - len(end.typed), offset)
    if end.quoted:
        if isinstance(end.of, ObjectType):
            for name, field in end.of.fields.items():
                yield Completion(name, "field", span, _plain(name), spell(field.type), field.doc)
        return
    if end.of is None:
        yield from _names(end, span)
        return
    if isinstance(end.of, ObjectType):
        for name, field in end.of.fields.items():
            kind: CompletionKind = "step" if end.of.fault == "unknown-step" else "field"
            if _IDENTIFIER.fullmatch(name) and name != _own_step(path, end.of):
                doc = field.doc if field.required else f"{field.doc}\n\nMay be missing: ask with `has(...)`.".strip()
                always = end.of.fault == "unknown-output" and name in MEMBERS_OF_STEPS
                yield Completion(name, kind, span, name, _short(field.type), doc, rank=2 if always else 1)
        if end.of.fault == "unknown-step":
            return  # `steps` as a whole is no value
    for word in methods(end.of):
        yield _function(word, span)


def _own_step(path: Path, of: ObjectType) -> str | None:
    return str(path[2]) if of.fault == "unknown-step" and len(path) > 2 and path[:2] in (STEPS, FINALLY) else None


def _names(end: Tail, span: Span) -> Iterator[Completion]:
    for name, type_ in end.scope.items():
        yield Completion(name, "variable", span, name, _short(type_), rank=1)
    for word in functions():
        yield _function(word, span)
    for constant in ("true", "false", "null"):
        yield Completion(constant, "value", span, constant, rank=6)


def _function(word: Word, span: Span) -> Completion:
    return Completion(word.name, "function", span, word.snippet, word.signature.split("\n")[0], word.doc, rank=3)


def _short(type_: Type) -> str:
    shown = spell(type_, 1)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _scope(draft: Draft, path: Path) -> Mapping[str, Type]:
    general = draft.scopes.get("")
    step = draft.scopes.get(str(path[2])) if len(path) > 2 and path[:2] in (STEPS, FINALLY) else None
    if step is not None:
        return step.outer if path[3:4] in (("if",), ("require",), ("forEach",)) else step.inner
    scope = dict(general.outer) if general is not None else {}
    if "forEach" in keys_at(draft.root, path[:3]):
        scope["item"] = DYN
    return scope


def _in_yaml(analysis: Analysis, schemas: Schemas, place: Place, offset: int) -> Iterator[Completion]:
    draft, span = analysis.known, Span(place.start, offset)
    schema = schemas.at(place.path, draft.root)
    if place.kind == "key" and "properties" in schema:
        written = set(keys_at(analysis.draft.root, place.path)) or keys_beside(analysis.source.text, place)
        yield from _keys(draft, schemas, place, span, written - {place.typed})
    elif place.kind == "value" or "properties" not in schema:
        named = list(_named(draft, place.path, schema, span))
        yield from named or _values(schema, span)


def _keys(draft: Draft, schemas: Schemas, place: Place, span: Span, written: set[str]) -> Iterator[Completion]:
    operators = schemas.language.catalogue.operators
    is_step = len(place.path) == 3 and place.path[:2] in (STEPS, FINALLY)
    cores = {name for name, entry in operators.items() if entry.core} | {OPERATOR_KEY} if is_step else set()
    required = schemas.at(place.path, draft.root).get("required", ())
    for name, schema in schemas.properties(place.path, draft.root).items():
        if name in written or (name in cores and not cores.isdisjoint(written)):
            continue
        doc = str(schema.get("description", ""))
        entry = operators.get(name) if name in cores else None
        if entry is not None:
            insert = operator_snippet(entry, flow=place.flow)
            yield Completion(name, "operator", span, insert, "operator", entry.summary, rank=1)
        else:
            rank = 2 if name in required else 4
            yield Completion(name, "key", span, _key_snippet(name, schema, flow=place.flow), _kind(schema), doc, rank)


def _key_snippet(name: str, schema: JsonSchema, *, flow: bool) -> str:
    name = _plain(name)
    choices = schema.get("enum")
    if choices and all(isinstance(one, str) and "," not in one for one in choices):
        return f"{name}: ${{1|{','.join(choices)}|}}"
    if "const" in schema:
        return f"{name}: {schema['const']}"
    kind = schema.get("type")
    if kind == "array":
        return f"{name}: [$1]"
    if kind == "object":
        return f"{name}: {{ $1 }}" if flow else f"{name}:\n  $0"
    if name == "forEach":
        return name + ": \\${{ $1 }}"
    return f"{name}: $0"


def _kind(schema: JsonSchema) -> str:
    return " | ".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", ""))


def _values(schema: JsonSchema, span: Span) -> Iterator[Completion]:
    doc = str(schema.get("description", ""))
    choices: list[Any] = list(schema.get("enum", ()))
    if "const" in schema:
        choices.append(schema["const"])
    if schema.get("type") == "boolean":
        choices += [True, False]
    for choice in choices:
        label = str(choice).lower() if isinstance(choice, bool) else str(choice)
        yield Completion(label, "value", span, _plain(label), doc=doc, rank=2)
    if not choices and not isinstance(schema.get("type"), list) and schema.get("type") in ("string", "integer"):
        for example in schema.get("examples", ()):
            if isinstance(example, str | int):
                yield Completion(str(example), "value", span, _plain(str(example)), "for example", doc, rank=7)


def _named(draft: Draft, path: Path, schema: JsonSchema, span: Span) -> Iterator[Completion]:
    """Names of the capsule itself."""
    if len(path) >= 4 and path[:2] == STEPS and path[3] == "needs":
        taken = {str(path[2]), *map(str, _plain_list(draft, path[:4]))}
        for name in draft.written(STEPS):
            if name not in taken:
                yield Completion(name, "step", span, name, _operator(draft, name), rank=1)
    if path and path[-1] == "$ref":
        for name in draft.written(("spec", "types")):
            quote = '"' if draft.source.text[span.start - 1 : span.start] not in ('"', "'") else ""
            yield Completion(REF + name, "type", span, f"{quote}{_plain(REF + name)}{quote}", rank=1)
    if schema.get(HINTS, {}).get(POLICY_SET):
        for name in draft.written(("spec", "uses", "policies")):
            yield Completion(name, "value", span, name, "policy set", rank=1)
    if len(path) == 6 and path[:3] == ("spec", "uses", "secrets") and path[4] == "grantTo":
        for section in USES[1:4]:
            for name in draft.written(("spec", "uses", section)):
                yield Completion(name, "value", span, name, section, rank=1)


def _operator(draft: Draft, name: str) -> str:
    step = draft.steps.get(name)
    if step is None:
        return ""
    scope = draft.scopes[""].outer["steps"] if "" in draft.scopes else DYN
    field = scope.fields.get(name) if isinstance(scope, ObjectType) else None
    each = " for each item" if field is not None and isinstance(field.type, ListType) else ""
    return f"{step.operation.operator} step{each}"


def _plain_list(draft: Draft, path: Path) -> list[Any]:
    step = draft.steps.get(str(path[2]))
    return list(step.spec.needs) if step is not None else []


def _plain(text: str) -> str:
    """A text as a snippet has it."""
    return text.replace("\\", "\\\\").replace("$", "\\$").replace("}", "\\}")
