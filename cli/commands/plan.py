"""`somagent plan`: what a capsule would do, before it does it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator

import msgspec

from somagent.capsule_compiler.compile import Compilation, draft_capsule
from somagent.capsule_compiler.model.quantities import Money, show_count, show_duration, show_money
from somagent.capsule_compiler.plan import Budget, Node, Plan, plan_digest
from somagent.cli.compiling import governing, installed, planned
from somagent.cli.printing import console_for, print_json, print_table, printable, visible
from somagent.workflows import capsules


def run(arguments: Namespace) -> int:
    """Prints the steps in order; with `--output json`, the plan itself."""
    installation = installed(locked=arguments.locked)
    plan, compilation = planned(arguments, installation)
    if arguments.types:
        return _show_types(arguments, installation, compilation)
    if arguments.output == "json":
        print_json(msgspec.to_builtins(plan))
    else:
        _print(plan)
    return 0


def _show_types(arguments: Namespace, installation: capsules.Installation, compilation: Compilation) -> int:
    from somagent.capsule_compiler.analysis import type_lines  # noqa: PLC0415

    path = capsules.find_capsule(arguments.capsule)
    given = capsules.given_at(path, installation, governing(arguments))
    lines = type_lines(draft_capsule(str(path), compilation.source.text.encode(), given))
    if arguments.output == "json":
        print_json(
            [
                {
                    "line": one.place.line,
                    "column": one.place.column,
                    "kind": one.kind,
                    "name": one.name,
                    "type": one.type,
                }
                for one in lines
            ]
        )
        return 0
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("PLACE", "WHAT", "NAME", "TYPE"):
        table.add_column(column, no_wrap=column in {"PLACE", "WHAT"}, overflow="fold")
    for one in lines:
        table.add_row(f"{one.place.line}:{one.place.column}", one.kind, printable(one.name), printable(one.type))
    print_table(console_for(sys.stdout), table)
    return 0


def _print(plan: Plan) -> None:
    from rich.table import Table  # noqa: PLC0415

    console = console_for(sys.stdout)
    title = printable(" ".join(part for part in (plan.capsule.name, plan.capsule.version) if part))
    console.print(f"{title}: {len(plan.nodes) + len(plan.finals)} steps")
    if plan.capsule.description:
        console.print(visible(plan.capsule.description))
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("WAVE", "STEP", "OPERATOR", "VERDICT", "WAITS FOR", "HOW"):
        table.add_column(column, no_wrap=column != "HOW")
    waves = _waves(plan)
    for node in sorted(plan.nodes, key=lambda one: waves[one.id]):
        table.add_row(str(waves[node.id]), node.id, node.operator, node.verdict, _waits(node), _how(node))
    for node in plan.finals:
        table.add_row("last", node.id, node.operator, node.verdict, "everything", _how(node))
    print_table(console, table)
    console.print()
    budget = _budget(plan.budget) if plan.budget is not None else ""
    lines = (("inputs", _inputs(plan)), ("outputs", ", ".join(plan.outputs)), ("budget", budget), *_used(plan))
    for label, names in lines:
        if names:
            console.print(f"{label}: {printable(names, 2000)}")
    console.print(f"constitution: {plan.constitution.name} {plan.constitution.version}  {plan.constitution.digest}")
    console.print(f"plan: {plan_digest(plan)}")


def _waves(plan: Plan) -> dict[str, int]:
    """How early each step can start: 1 for those that wait for nothing."""
    waves: dict[str, int] = {}
    for node in plan.nodes:  # topological order
        waves[node.id] = 1 + max((waves[edge.step] for edge in node.needs), default=0)
    return waves


def _waits(node: Node) -> str:
    names = [edge.step for edge in node.needs]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") or "nothing"


def _how(node: Node) -> str:
    parts = []
    if node.fan_out is not None:
        limit = f", {node.fan_out.max_parallel} at once" if node.fan_out.max_parallel else ""
        parts.append(f"for each {node.fan_out.name}{limit}")
    if node.guard:
        parts.append(f"if {printable(node.guard)}")
    if node.require:
        parts.append(f"requires {printable(node.require)}")
    if node.retry.attempts > 1:
        parts.append(f"{node.retry.attempts} attempts")
    if not node.gate:  # a gate waits for as long as people may take
        parts.append(f"within {show_duration(node.timeout_ms)}")
    if node.budget is not None:
        parts.append(f"at most {_budget(node.budget)}{' an item' if node.fan_out is not None else ''}")
    if node.total_budget is not None:
        parts.append(f"at most {_budget(node.total_budget)} for all items")
    return "; ".join(parts)


def _budget(budget: Budget) -> str:
    """The limits of a budget, and what happens beyond them."""
    limits = []
    if budget.tokens is not None:
        limits.append(f"{show_count(budget.tokens)} tokens")
    if budget.cost_micros is not None:
        limits.append(show_money(Money(budget.cost_micros, budget.currency)))
    if budget.wall_clock_ms is not None:
        limits.append(show_duration(budget.wall_clock_ms))
    return ", ".join(limits) + {"ask": " (then people are asked)", "warn": " (then a warning)"}.get(
        budget.on_exceed, ""
    )


def _used(plan: Plan) -> Iterator[tuple[str, str]]:
    """What the capsule takes from outside."""
    yield "packages", ", ".join(f"{name} {pin.version}" for name, pin in plan.packages.items())
    yield "secrets", ", ".join(f"{use.secret}/{use.key} for {', '.join(use.grant_to)}" for use in plan.secrets.values())


def _inputs(plan: Plan) -> str:
    return ", ".join(
        f"{name} ({schema.get('type', 'type')}{'' if 'default' in schema else ', required'})"
        for name, schema in plan.inputs.items()
    )
