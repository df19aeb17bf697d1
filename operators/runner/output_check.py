"""Outputs are what the author declared, or the attempt fails: every fault is said, not only the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from somagent.capsule_compiler.value_validators import value_validator
from somagent.governance.cel import BorderError, Type, from_json
from somagent.operators.operator import StepFailure
from somagent.operators.runner.artifacts import read_artifact
from somagent.operators.runner.expressions import path_text

_FAULTS_SHOWN = 20
_LENGTH_SHOWN = 240


class OutputCheck:
    """The validators of a step's outputs, by name."""

    def __init__(
        self,
        schemas: Mapping[str, Mapping[str, Any]],
        types: Mapping[str, Any],
        cel_types: Mapping[str, Type],
        what: str = "output",
    ) -> None:
        """Raises `StepFailure` when a schema cannot be used; `what` the values are called in messages."""
        self._what = what
        self._types = cel_types
        self._validators: dict[str, Any] = {}
        for name, schema in schemas.items():
            if schema.get("type") == "artifact":
                self._validators[name] = None
                continue
            try:
                # `#/types/NAME` is a JSON Pointer from the root of the document in which it stands.
                self._validators[name] = value_validator({**schema, "types": dict(types)}, _is_artifact)
            except (jsonschema_rs.ValidationError, ValueError) as fault:
                reason = getattr(fault, "message", str(fault))
                raise StepFailure("error", f"the schema of {what} `{name}` cannot be used: {reason}") from None

    def __call__(self, outputs: Mapping[str, Any]) -> None:
        """Raises `StepFailure`, class `invalid_output`, unless these are the declared outputs."""
        faults = list(self._faults(outputs))
        if faults:
            shown = faults[:_FAULTS_SHOWN]
            if len(faults) > _FAULTS_SHOWN:
                shown.append(f"and {len(faults) - _FAULTS_SHOWN} more")
            raise StepFailure("invalid_output", "\n".join(shown))

    def _faults(self, outputs: Mapping[str, Any]) -> Iterator[str]:
        for name, validator in self._validators.items():
            if name not in outputs:
                yield f"{self._what} `{name}` is missing"
            elif validator is None:
                if read_artifact(outputs[name]) is None:
                    yield f"{self._what} `{name}` must be an artifact"
            else:
                yield from self._faults_of(name, validator, outputs[name])
        for name in outputs:
            if name not in self._validators:
                yield f"{self._what} `{name}` is not declared"

    def _faults_of(self, name: str, validator: Any, value: Any) -> Iterator[str]:
        sound = True
        for error in validator.iter_errors(value):
            sound = False
            place = path_text(list(error.instance_path))
            inside = f", at `{place}`" if place else ""
            yield f"{self._what} `{name}`{inside}: {_short(error.message)}"
        if sound:
            try:
                from_json(value, self._types[name])
            except BorderError as fault:  # an integer beyond 64 bits, which JSON has and CEL has not
                yield f"{self._what} `{name}`: {fault}"


def _is_artifact(value: object) -> bool:
    return read_artifact(value) is not None


def _short(message: str) -> str:
    return (
        message
        if len(message) <= _LENGTH_SHOWN
        else f"{message[: _LENGTH_SHOWN // 2]} ... {message[-_LENGTH_SHOWN // 2 :]}"
    )
