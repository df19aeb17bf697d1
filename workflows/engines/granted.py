"""Which secrets the pods of a step need: those that it is granted, by their names in the namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from hashlib import sha256
from typing import Any

from somagent.capsule_compiler.plan import Node, Plan
from somagent.operators.runner.records import Secret
from somagent.operators.runner.secrets import secret_named, variable_of
from somagent.workflows.engines.protocol import EngineError

Use = tuple[str, str]  # secret and key
Handed = Mapping[str, frozenset[Use]]  # by the name of the input; one of them it will be

NOTHING: Handed = {}


def granted(plan: Plan, node: Node, handed: Handed) -> frozenset[Use]:
    """Those of a step in a run that is given secrets as inputs."""
    return frozenset().union(*(_named(plan, name, handed) for name in node.secrets))


def as_variables(uses: Iterable[Use], private: Set[str]) -> dict[str, Use]:
    """By the variables that a pod has them in.

    Raises `EngineError` for those of `private` Secrets, which no step may have, and where two would be one variable.
    """
    found: dict[str, Use] = {}
    for secret, key in uses:
        if secret in private:
            raise EngineError(
                f"secret `{secret}/{key}` is what pods reach the store or the cluster by, and for no step"
            )
        other = found.setdefault(variable_of(Secret(secret=secret, key=key)), (secret, key))
        if other != (secret, key):
            both = f"`{other[0]}/{other[1]}` and `{secret}/{key}`"
            raise EngineError(f"secrets {both} of one step cannot be told apart in a pod: rename one")
    return found


def handed_in(plan: Plan, inputs: Mapping[str, Any]) -> Handed:
    """What a run is given with these inputs."""
    named = {
        name: secret_named(inputs.get(name)) for name, schema in plan.inputs.items() if schema.get("type") == "secret"
    }
    return {name: frozenset({(one.secret, one.key)}) for name, one in named.items() if one is not None}


def handed_inside(plan: Plan, node: Node, child: Plan, handed: Handed) -> Handed:
    """What the run of a step's capsule is given: the secret that an input names, else any that the step is granted."""
    named = {
        str(hole.at[1]): hole.cel for hole in node.arguments.holes if hole.at[:1] == ["with"] and len(hole.at) == 2
    }
    found = {}
    for name, schema in child.inputs.items():
        if schema.get("type") == "secret" and name in named:
            uses = _named(plan, named[name], handed) if named[name] in node.secrets else granted(plan, node, handed)
            found[name] = uses
    return found


def part_of_name(handed: Handed) -> list[str]:
    """What secrets that are handed in add to the names of templates."""
    if not any(handed.values()):
        return []
    said = sorted((name, *sorted(uses)) for name, uses in handed.items())
    return [sha256(repr(said).encode()).hexdigest()[:8]]


def _named(plan: Plan, name: str, handed: Handed) -> frozenset[Use]:
    """By the name that expressions have for it: `secrets.token`, `inputs.token`."""
    source, _, member = name.partition(".")
    if source == "inputs":
        return handed.get(member, frozenset())
    use = plan.secrets.get(member)
    return frozenset() if use is None else frozenset({(use.secret, use.key)})
