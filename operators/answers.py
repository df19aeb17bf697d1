"""What people give when they approve: the outputs that the gate asks for, held against their types.

The first approval gives all of them. Who approves after it agrees to them: may leave them out, or give the same. So a
gate that several people must approve never opens on values that one of them has not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from somagent.governance.canonical import canonical_json
from somagent.governance.documents import nearest
from somagent.operators.runner.records import Decision, Waiting


def given_by(approvals: Sequence[Decision]) -> dict[str, Any]:
    """What these approvals give together."""
    return {name: value for one in approvals for name, value in one.outputs.items()}


def answer_fault(waiting: Waiting, decision: Decision, before: Sequence[Decision]) -> str:
    """Why an approval does not give what is asked for, after the ones before it; empty when it does."""
    if not decision.approve or not (waiting.outputs or decision.outputs):
        return ""
    agreed = given_by(before)
    faults = [*_unknown(waiting, decision.outputs), *_other(decision.outputs, before)]
    for name, schema in waiting.outputs.items():
        if name in decision.outputs:
            faults += faults_of(name, schema, waiting.types, decision.outputs[name])
        elif name not in agreed:
            faults.append(f"`{name}` is missing ({described(schema)})")
    return "; ".join(faults)


def faults_of(name: str, schema: Mapping[str, Any], types: Mapping[str, Any], value: Any) -> Iterator[str]:
    """What is wrong with a value, each with its place."""
    from somagent.capsule_compiler.value_validators import value_validator  # noqa: PLC0415  15 MB, where one is given

    try:
        canonical_json(value)
    except ValueError:
        yield f"`{name}` holds a number or a text that JSON cannot keep exactly"
        return
    for error in value_validator({**schema, "types": dict(types)}).iter_errors(value):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
        yield f"`{name}{place}`: {error.message}"


def described(schema: Mapping[str, Any]) -> str:
    """Type and description, for people."""
    kind = str(schema.get("type") or schema.get("$ref", "").rpartition("/")[2])
    return f"{kind}: {schema['description']}" if "description" in schema else kind


def _unknown(waiting: Waiting, given: Mapping[str, Any]) -> Iterator[str]:
    for name in given:
        if name not in waiting.outputs:
            near = nearest(name, waiting.outputs)
            known = ", ".join(f"`{one}`" for one in waiting.outputs) or "nothing"
            yield f"`{name}` is not asked for; " + (f"did you mean `{near}`?" if near else f"asked for: {known}")


def _other(given: Mapping[str, Any], before: Sequence[Decision]) -> Iterator[str]:
    for name, value in given.items():
        for one in before:
            if name in one.outputs and canonical_json(one.outputs[name]) != canonical_json(value):
                yield f"`{name}` is another one than {one.by} gave; agree to it, or reject"
                break
