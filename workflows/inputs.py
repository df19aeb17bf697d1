"""What a run is given, held against what its capsule declares, before the run exists."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from somagent.capsule_compiler.plan import Plan
from somagent.governance.canonical import canonical_json
from somagent.governance.documents import nearest
from somagent.governance.documents.yaml_reader import MAX_DEPTH
from somagent.operators.runner.secrets import missing_secrets, secret_named
from somagent.operators.script.isolation import not_isolated

_MOST = 2**53 - 1


class InputsRefused(Exception):
    """Some inputs are wrong; `problems` says each in a line."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def by_option(name: str, value: str) -> str:
    """How an input is given on the command line."""
    return f"--input {name}={value}"


def by_argument(name: str, value: str) -> str:
    """How an input is given in a program."""
    return f'inputs={{"{name}": {value if value == "..." else repr(value)}}}'


def accept_inputs(
    plan: Plan,
    given: Mapping[str, Any],
    folder: Path,
    *,
    how: Callable[[str, str], str] = by_option,
    here: bool = True,
) -> dict[str, Any]:
    """All inputs, defaults filled in, in the order of the plan; raises `InputsRefused` with every problem.

    Where steps run `here`, a secret that the run would need and that is missing is one of them, and a container that
    its scripts shall have.

    Relative paths (`format: path`) are taken from `folder`. `how` says how an input is given.
    """
    problems = [_unknown(plan, name) for name in given if name not in plan.inputs]
    no_paths = {name: why for name, value in given.items() if (why := _no_path(plan, name, value, folder))}
    problems += no_paths.values()
    given = {name: value if name in no_paths else _absolute(plan, name, value, folder) for name, value in given.items()}
    accepted = {}
    for name, schema in plan.inputs.items():
        if name in given and schema.get("type") == "secret":
            problems += _not_a_secret(name, given[name], how)
            accepted[name] = given[name]
        elif name in given:
            problems += _unstorable(name, given[name]) or _problems(plan, name, schema, given[name])
            accepted[name] = given[name]
        elif "default" in schema:
            accepted[name] = _absolute(plan, name, schema["default"], folder)
        else:
            described = f" ({schema['description']})" if "description" in schema else ""
            problems.append(f"input `{name}` is missing{described}; give it with `{how(name, '...')}`")
    if here:
        problems = problems or [*missing_secrets(plan, accepted), *not_isolated(plan)]
    if problems:
        raise InputsRefused(problems)
    return accepted


def _not_a_secret(name: str, value: Any, how: Callable[[str, str], str]) -> list[str]:
    if secret_named(value) is not None:
        return []
    name_it = how(name, "git-writer/token")
    return [f"input `{name}` is a secret; give its name as SECRET/KEY, never its value: `{name_it}`"]


def _absolute(plan: Plan, name: str, value: Any, folder: Path) -> Any:
    if plan.inputs.get(name, {}).get("format") != "path" or not isinstance(value, str):
        return value
    return str((folder / Path(value).expanduser()).resolve())


def _no_path(plan: Plan, name: str, value: Any, folder: Path) -> str:
    try:
        _absolute(plan, name, value, folder)
    except (OSError, RuntimeError, ValueError) as fault:  # no such user, links in a circle, a zero byte
        return f"input `{name}`: `{value}` is no path: {str(fault).rstrip('.').lower()}"
    return ""


def _unknown(plan: Plan, name: str) -> str:
    near = nearest(name, plan.inputs)
    known = ", ".join(f"`{one}`" for one in plan.inputs) or "none"
    return f"the capsule has no input `{name}`; " + (f"did you mean `{near}`?" if near else f"its inputs: {known}")


def _unstorable(place: str, value: Any, levels: int = MAX_DEPTH) -> list[str]:
    """What canonical JSON, the form in which inputs are kept, cannot say, and what is nested too deeply to be read."""
    if isinstance(value, dict | list):
        if not levels:
            deep = f"nested more than {MAX_DEPTH} levels deep"
            return [f"input `{place.partition('.')[0]}`: {deep}; give it as text, or as a file"]
        inside = list(value.items() if isinstance(value, dict) else enumerate(value))
        keys = [problem for key, _ in inside for problem in _unstorable(f"{place} (a key)", key)]
        return keys or [problem for key, one in inside for problem in _unstorable(f"{place}.{key}", one, levels - 1)]
    if isinstance(value, str) and not _is_text(value):
        return [f"input `{place}`: holds half of a surrogate pair, which is no text"]
    if isinstance(value, int) and abs(value) > _MOST:
        return [f"input `{place}`: whole numbers beyond {_MOST} (2^53 - 1) cannot be kept exactly; give it as text"]
    if isinstance(value, float) and not math.isfinite(value):
        return [f"input `{place}`: the number is too large (beyond 1.8e308)"]
    return []


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problems(plan: Plan, name: str, schema: Mapping[str, Any], value: Any) -> list[str]:
    from somagent.capsule_compiler.value_validators import value_validator  # noqa: PLC0415  15 MB, for given inputs only

    stored = canonical_json({"types": plan.types, **schema})  # as a plan on disk has it: a limit is 0 there, not 0.0
    validator = value_validator(msgspec.json.decode(stored))
    return [
        f"input `{'.'.join([name, *map(str, error.instance_path)])}`: {error.message}"
        for error in validator.iter_errors(value)
    ]
