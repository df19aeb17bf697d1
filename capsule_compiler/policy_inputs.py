"""What a policy step hands over, held against the closed attribute schema of the constitution that it asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from somagent.capsule_compiler.catalogue import POLICY_INPUT
from somagent.capsule_compiler.draft import Draft, StepDraft
from somagent.governance.cel import Type
from somagent.governance.constitution import Constitution, attribute_type
from somagent.governance.documents import HINTS, Diagnostic, Edit, Path, key_at, nearest


def wanted_of_policy_input(draft: Draft, step: StepDraft, at: Path) -> Type | None:
    """The type of the attribute that the argument at a path gives, if it gives one."""
    argument, constitution = _asked(draft, step)
    if constitution is None or len(at) != 2 or at[0] != argument:
        return None
    attribute = constitution.input.get(str(at[1]))
    return attribute_type(attribute, f"input.{at[1]}") if attribute is not None else None


def check_policy_input(draft: Draft, step: StepDraft) -> Iterable[Diagnostic]:
    """Attributes that the constitution does not know, and those that it needs and does not get."""
    argument, constitution = _asked(draft, step)
    if constitution is None or draft.root is None:
        return
    given: Any = step.operation.arguments.get(argument, {})
    path: Path = (*step.path, *step.operation.at, argument)
    for name in given:
        if name not in constitution.input:
            key = key_at(draft.root, (*path, name))
            span = key.span if key else draft.span(path)
            near = nearest(name, constitution.input)
            known = ", ".join(f"`{one}`" for one in constitution.input) or "none"
            yield Diagnostic(
                "unknown-attribute",
                f"constitution `{constitution.name}` knows no input attribute `{name}`",
                span,
                note=f"did you mean `{near}`?" if near else "",
                help="" if near else f"attributes: {known}",
                edit=Edit(span, near, f"rename to `{near}`") if near else None,
            )
    for name, attribute in constitution.input.items():
        if name not in given and attribute.default is None:
            yield Diagnostic(
                "missing-attribute",
                f"constitution `{constitution.name}` needs the input attribute `{name}`",
                draft.span(path),
                help=f"add `{name}:`",
            )


def _asked(draft: Draft, step: StepDraft) -> tuple[str, Constitution | None]:
    """The name of the argument that holds the input, and the constitution that is asked."""
    arguments = step.operation.arguments
    entry = draft.given.language.catalogue.operators[step.operation.operator]
    for name, schema in entry.arguments.get("properties", {}).items():
        sibling = schema.get(HINTS, {}).get(POLICY_INPUT)
        if sibling and isinstance(arguments, dict):
            wanted = arguments.get(sibling)
            return name, draft.given.constitution if wanted is None else draft.policies.get(wanted)
    return "", None
