"""The DAG file of a plan, and the plan that lies beside it.

Airflow reads a DAG file again and again and does not keep the one that a run began with, so what is written once is
never changed: the names carry a digest of all that is in the file, and of the plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from somagent.capsule_compiler.plan import Node, Plan, encode_plan, plan_digest
from somagent.workflows.engines.airflow.emit.place import Place
from somagent.workflows.engines.airflow.emit.pods import added, check_pods
from somagent.workflows.engines.airflow.emit.starting import starting
from somagent.workflows.engines.granted import NOTHING, Handed
from somagent.workflows.engines.rules import asks_once, may_ask
from somagent.workflows.engines.sub_capsules import nodes_of

_LONGEST_NAME = 200  # characters; Airflow takes 250
_SHOWN_DIGITS = 12  # of a digest, in names
_OPERATORS = "from airflow.sdk import DAG, BaseOperator, TaskGroup"
_CONFIGURATION = "from airflow.sdk.configuration import conf"
_EXCEPTIONS = "from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException"
_PEOPLE = "from airflow.providers.standard.operators.hitl import HITLOperator"


class Emitted(NamedTuple):
    """Two files of the same name, to be put side by side into a folder where Airflow looks for DAGs."""

    dag_id: str
    dag: str
    plan: bytes

    @property
    def files(self) -> Mapping[str, bytes]:
        """By name, in the order in which they must be written: Airflow begins with the DAG file."""
        return {f"{self.dag_id}.plan.json": self.plan, f"{self.dag_id}.py": self.dag.encode()}


def dag_file(plan: Plan, place: Place, handed: Handed = NOTHING) -> Emitted:
    """The same plan and place give the same bytes; in pods, `handed` are the secrets that a run is given as inputs.

    Raises `EngineError` for a step that cannot run there.
    """
    if place.pods is not None:
        check_pods(plan)
    start = starting(place)
    asks = any(_asks(plan, plan, node) for node in nodes_of(plan))
    one_question = [node.id for node in nodes_of(plan) if asks_once(plan, node)]
    title = re.sub(r"[^\w .+-]", "", f"{plan.capsule.name} {plan.capsule.version}".strip(), flags=re.ASCII)
    parts = {
        "TITLE": title,
        "IMPORTS": "\n".join([*([_PEOPLE] if asks else []), _OPERATORS, _CONFIGURATION, _EXCEPTIONS]),
        "STANDARD": start.standard,
        "PLAN": _literal(plan_digest(plan)),
        "SETTINGS": start.settings,
        "AT_WORK": start.at_work,
        "CALL": _template(start.template),
        "MOST_MAPPED": str(place.most_mapped),
        "ASKING": _filled(_template("asking.txt"), {"ONE_QUESTION": _literal(one_question)}) if asks else "",
        "STEPS": "\n".join(_rows(plan, place, handed)),
        "CAPSULES": "\n".join(f"    {_literal(row)}," for row in _ending_capsules(plan, place, handed)),
        "FINALLY": "\n".join(f"    {_literal(_row(plan, node, 1, place, handed))}," for node in plan.finals),
        "KIND": 'AskingStep if "asks" in step else Step' if asks else "Step",
        "DESCRIPTION": _literal(_plain(plan.capsule.description.partition("\n")[0])),
        "DOC": _literal(_doc(plan, title)),
        "MAX_ACTIVE": str(place.max_active_tasks),
        "POOL": _literal(place.pool),
    }
    template = _template("dag_file.txt")
    digest = sha256(_filled(template, {**parts, "DAG_ID": ""}).encode()).hexdigest()[:_SHOWN_DIGITS]
    dag_id = f"{plan.capsule.name[:_LONGEST_NAME]}-{digest}"
    return Emitted(dag_id, _filled(template, {**parts, "DAG_ID": _literal(dag_id)}), encode_plan(plan))


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """In one go: what a part says is never looked at again."""
    return re.sub("@([A-Z_]+)@", lambda found: parts[found[1]], template)


def _rows(plan: Plan, place: Place, handed: Handed) -> Iterator[str]:
    after = _steps_after(plan)
    return (f"    {_literal(_row(plan, node, after[node.id], place, handed))}," for node in plan.nodes)


def _row(plan: Plan, node: Node, weight: int, place: Place, handed: Handed) -> dict[str, Any]:
    """What is not ordinary of a step's tasks; times in seconds."""
    row: dict[str, Any] = {"id": node.id}
    if node.needs:
        row["needs"] = list(dict.fromkeys(edge.step for edge in node.needs))
    if node.fan_out is not None:
        row["each"] = node.fan_out.max_parallel
    if _asks(plan, plan, node):
        row["asks"] = True
    if node.retry.attempts > 1:
        row["tries"] = node.retry.attempts
        row["wait"] = max(node.retry.backoff_ms / 1000, 1)
        row["longest"] = max(node.retry.max_backoff_ms / 1000, 1)
    if weight > 1:
        row["weight"] = weight
    return row if place.pods is None else row | added(plan, [node], place.pods, handed)


def _ending_capsules(plan: Plan, place: Place, handed: Handed) -> Iterator[dict[str, Any]]:
    """The task that runs `finally` of capsules which a stopped run leaves open, if there is any such."""
    nodes = [node for node in plan.nodes if any(inside.finals for inside in _inside(plan, node))]
    if nodes:
        row: dict[str, Any] = {"id": ""} | ({"asks": True} if any(_asks(plan, plan, node) for node in nodes) else {})
        yield row if place.pods is None else row | added(plan, nodes, place.pods, handed)


def _inside(root: Plan, node: Node) -> Iterator[Plan]:
    """The plan of the step's capsule, and of those inside it."""
    if node.capsule in root.capsules:
        yield root.capsules[node.capsule]
        for one in nodes_of(root.capsules[node.capsule]):
            yield from _inside(root, one)


def _asks(root: Plan, plan: Plan, node: Node) -> bool:
    """Whether people may be asked in the step, or in its capsule, whose plan is a part of the root's."""
    inside = root.capsules.get(node.capsule)
    if inside is not None and any(_asks(root, inside, one) for one in nodes_of(inside)):
        return True
    return may_ask(plan, node)


def _steps_after(plan: Plan) -> dict[str, int]:
    """How many steps the longest way from each to the end has: what most waits for comes first."""
    longest = {node.id: 1 for node in plan.nodes}
    for node in reversed(plan.nodes):
        for edge in node.needs:
            longest[edge.step] = max(longest[edge.step], longest[node.id] + 1)
    return longest


def _doc(plan: Plan, title: str) -> str:
    lines = [
        f"**{title}**",
        _plain(plan.capsule.description),
        f"plan `{plan_digest(plan)}`",
        f"constitution {plan.constitution.name} {plan.constitution.version} `{plan.constitution.digest}`",
    ]
    return "\n\n".join(line for line in lines if line)


def _plain(text: str) -> str:
    """Without what Airflow's database does not take."""
    return "".join(char for char in text if char.isprintable() or char == "\n")


def _literal(value: Any) -> str:
    """As Python has it, in ASCII."""
    return ascii(value)


def _template(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
