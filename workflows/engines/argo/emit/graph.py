"""The steps as DAGs: a task for each step, nested where a step is more than a pod or there are too many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from hera.workflows import models as m

from somagent.capsule_compiler.plan import Node, Plan
from somagent.workflows.engines.argo.emit.fuse import Unit, Wants, alone, fused
from somagent.workflows.engines.argo.emit.groups import Group, grouped
from somagent.workflows.engines.argo.emit.passing import as_json, handed_on, in_turn, inputs, of_step, of_steps
from somagent.workflows.engines.argo.emit.pods import Shape, shape_of, shape_of_group, told_apart
from somagent.workflows.engines.argo.emit.templates import Templates
from somagent.workflows.engines.granted import NOTHING, Handed, handed_inside, part_of_name
from somagent.workflows.engines.rules import budgets_ask, may_ask

MAIN = "main"  # the template that runs the steps of a run that is in the ledger already
ENDED = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted")
_LONGEST_NAME = 80  # of several steps; Argo takes 128
_LONGEST_STEP = 63
_OWN = ("step", "item", "run", "at")
_WHATEVER = m.ContinueOn(failed=True, error=True)


class Graph:
    """The templates of the steps of a plan; `inside` begins their names when it is a capsule's in another one.

    `handed` are the secrets that the run is given as inputs; with `asked`, a budget above it has people asked. `at_end`
    is for what runs when the Workflow was stopped, too: Argo calls every DAG failed then, at its first look.
    """

    def __init__(
        self,
        plan: Plan,
        root: Plan,
        templates: Templates,
        inside: str = "",
        *,
        handed: Handed = NOTHING,
        asked: bool = False,
        at_end: bool = False,
    ) -> None:
        self._plan, self._root, self._templates, self._inside = plan, root, templates, inside
        self._handed, self._asked, self._at_end = handed, asked, at_end
        self._wants = Wants(root, may_ask)
        self._names: dict[str, str] = {}

    def main(self) -> str:
        """The name of the template that runs all steps but `finally`."""
        nodes = self._plan.nodes
        units = (
            fused(nodes, lambda node: self._wants.nothing(self._plan, node))
            if self._templates.fuse and not self._asked
            else alone(nodes)
        )
        self._names = _names(units)
        if self._at_end:
            return self._add(m.Template(name=MAIN, steps=in_turn([self._in_turn(unit) for unit in units])))
        groups = grouped(units)
        if not self._inside:
            self._templates.ends_run = len(groups) == 1 and not self._plan.finals and _shows_failures(units)
        if len(groups) == 1:
            return self._dag(MAIN, self._steps_of(groups[0]))
        tasks = []
        for number, group in enumerate(groups):
            name = f"group-{number + 1}"
            template = self._dag(name, self._steps_of(group))
            after = [ended(f"group-{one + 1}") for one in sorted(group.needs)]
            tasks.append(task(name, template, as_json(handed_on("run")) if self._inside else None, after))
        return self._dag(MAIN, tasks)

    def at_the_end(self) -> str:
        """`finally`, one step after the other whatever becomes of each; then how the run ended is written down.

        The last of its steps has done that where all went well and there is no `finally`.
        """
        end = m.WorkflowStep(
            name="End",  # no step is called so
            template=self._templates.pod(Shape("end")),
            when="'{{workflow.status}}' != 'Succeeded'" if self._templates.ends_run else None,
        )
        return self._add(m.Template(name="at-the-end", steps=in_turn([*self._left([]), *self._finals(), end])))

    def finals(self) -> str:
        """`finally` of a capsule that is a step; empty when it has none. Whoever closes that step ends the run."""
        if not self._plan.finals:
            return ""
        return self._add(m.Template(name="finally", steps=in_turn(self._finals())))

    def _left(self, above: Sequence[str]) -> Iterator[m.WorkflowStep]:
        """`finally` of the capsules that a stopped run was in, the innermost first, each in pods of its own.

        What asks for nothing of its pod is left to the pod that comes next, which ends those runs.
        """
        for node in self._plan.nodes:
            if not node.capsule:
                continue
            inner, path = self._inner(node, at_end=True), [*above, node.id]
            yield from inner._left(path)
            if any(self._wants.of_others(inner._plan, final) for final in inner._plan.finals):
                yield m.WorkflowStep(
                    name=_left_name(path),
                    template=self._finals_of(inner),
                    arguments=m.Arguments(parameters=[m.Parameter(name="path", value="/".join(path))]),
                    when="'{{workflow.status}}' != 'Succeeded'",
                    continue_on=_WHATEVER,
                )

    def _finals_of(self, inner: Graph) -> str:
        """Those of all runs of a capsule at a path that have not ended."""
        left = m.WorkflowStep(name="runs", template=self._templates.pod(Shape("left")), arguments=handed_on("path"))
        finals = m.WorkflowStep(
            name="run",
            template=inner.finals(),
            with_param="{{steps.runs.outputs.parameters.items}}",
            arguments=handed_on(run="{{item}}"),
            continue_on=_WHATEVER,
        )
        steps = in_turn([left, finals])
        return self._templates.add(m.Template(name=f"{inner._inside}-left", inputs=inputs("path"), steps=steps))

    def _finals(self) -> list[m.WorkflowStep]:
        at_end = self._at_end or not self._inside
        graph = Graph(
            self._plan,
            self._root,
            self._templates,
            self._inside,
            handed=self._handed,
            asked=self._asked,
            at_end=at_end,
        )
        return [
            m.WorkflowStep(
                name=task_name(node.id),
                template=graph._template_of(node),
                arguments=m.Arguments.model_validate(of_step(self._plan, node, inner=bool(self._inside))),
                continue_on=_WHATEVER,
            )
            for node in self._plan.finals
        ]

    @property
    def _end(self) -> list[str]:
        """What tells the templates of the end from others of the same steps."""
        return ["end"] if self._at_end else []

    def _add(self, template: m.Template) -> str:
        if self._inside:
            template.name = f"{self._inside}-{template.name}"
            template.inputs = inputs("run")
        return self._templates.add(template)

    def _dag(self, name: str, tasks: Sequence[dict[str, Any]]) -> str:
        if not self._inside:
            return self._templates.dag(name, tasks, None)
        return self._templates.dag(f"{self._inside}-{name}", tasks, inputs("run"))

    def _steps_of(self, group: Group[Unit]) -> list[dict[str, Any]]:
        """A task for each; what they need of other groups has ended, and their runners look how."""
        inside = {unit.id: unit for unit in group.nodes}
        return [
            self._task(unit, [inside[edge.step] for edge in unit.needs if edge.step in inside]) for unit in group.nodes
        ]

    def _task(self, unit: Unit, needs: Sequence[Unit]) -> dict[str, Any]:
        """Steps of one pod; whatever became of those in another one, each looks for itself what it means for it."""
        before = [(self._names[one.id], len(one.nodes) > 1) for one in needs]
        after = {ended(task) if several else task: None for task, several in before}
        return task(self._names[unit.id], *self._work_of(unit), after)

    def _in_turn(self, unit: Unit) -> m.WorkflowStep:
        """The same where no DAG may be, so that each is begun whatever became of those before."""
        template, arguments = self._work_of(unit)
        return m.WorkflowStep(
            name=self._names[unit.id],
            template=template,
            arguments=m.Arguments.model_validate(arguments),
            continue_on=_WHATEVER,
        )

    def _work_of(self, unit: Unit) -> tuple[str, dict[str, Any]]:
        """The template of its pods, and what they are given."""
        inner = bool(self._inside)
        if len(unit.nodes) == 1:
            (node,) = unit.nodes
            return self._template_of(node), of_step(self._plan, node, inner=inner)
        return self._templates.pod(shape_of_group(unit.nodes)), of_steps(self._plan, unit.nodes, inner=inner)

    def _template_of(self, node: Node) -> str:
        return self._one(node) if node.fan_out is None else self._fan_out(node)

    def _one(self, node: Node) -> str:
        """One step or item: a pod, or where people may be asked, pods with waits between them that cost nothing."""
        if node.capsule and not (self._templates.fuse and self._wants.nothing_inside(node) and not self._asked):
            return self._capsule(node)
        step = self._templates.pod(shape_of(self._plan, node, handed=self._handed))
        return self._asking(step) if self._asked or may_ask(self._plan, node) else step

    def _asking(self, step: str) -> str:
        """Runs the step; while it waits, a node waits with it until it is told to go on, and the step runs again."""
        name = f"{step}-asking"
        if self._templates.has(name):
            return name
        return self._templates.add(
            m.Template(
                name=name,
                inputs=inputs(*_OWN),
                steps=in_turn(
                    [
                        m.WorkflowStep(name="ask", template=step, arguments=handed_on(*_OWN)),
                        self._people("ask"),
                        m.WorkflowStep(
                            name="answer", template=name, when=says("ask", "Waiting"), arguments=handed_on(*_OWN)
                        ),
                    ]
                ),
            )
        )

    def _people(self, asked_in: str) -> m.WorkflowStep:
        seconds = f"{{{{steps.{asked_in}.outputs.parameters.seconds}}}}"
        return m.WorkflowStep(
            name="people",
            template=self._templates.add(people()),
            when=says(asked_in, "Waiting"),
            arguments=handed_on(seconds=seconds),
        )

    def _capsule(self, node: Node) -> str:
        """Opens the run of the step's capsule, runs its steps with that run's id, and closes the step by its end.

        Another attempt, and the answer of people, is another round: the whole template once more.
        """
        graph = self._inner(node, at_end=self._at_end)
        asks, again = self._asked or may_ask(self._plan, node), node.retry.attempts > 1
        more = [*told_apart(node.verdict), *(["asking"] if asks else []), *(["again"] if again else [])]
        name = "-".join([graph._inside, *more])
        if self._templates.has(name):
            return name
        run = m.WorkflowStep(
            name="run",
            template=f"{name}-run",
            when=says("open", "Running"),
            arguments=handed_on(*_OWN, child="{{steps.open.outputs.parameters.run}}"),
        )
        open_ = self._own_step("open", self._templates.pod(shape_of(self._plan, node, "open-run")))
        answer = (
            [[run, self._people("open")], self._own_step("answer", name, says("open", "Waiting"))] if asks else [run]
        )
        self._templates.add(m.Template(name=name, inputs=inputs(*_OWN), steps=in_turn([open_, *answer])))
        child_run = handed_on(run="{{inputs.parameters.child}}")
        parts = {"steps": graph.main(), "finally": graph.finals()}
        rounds = [
            m.WorkflowStep(name=part, template=template, arguments=child_run, continue_on=_WHATEVER)
            for part, template in parts.items()
            if template
        ]
        rounds.append(
            m.WorkflowStep(
                name="close",
                template=self._templates.pod(Shape("close-run", verdict=node.verdict)),
                arguments=handed_on(*_OWN, "child"),
            )
        )
        if again:
            rounds.append(self._own_step("again", name, says("close", "Pending")))
        self._templates.add(m.Template(name=f"{name}-run", inputs=inputs(*_OWN, "child"), steps=in_turn(rounds)))
        return name

    def _inner(self, node: Node, *, at_end: bool) -> Graph:
        """The graph of the step's capsule."""
        child = self._root.capsules[node.capsule]
        handed = handed_inside(self._plan, node, child, self._handed)
        asked = self._asked or budgets_ask(self._plan, node)
        own = [child.capsule.name[:40].rstrip("-"), node.capsule.removeprefix("sha256:")[:8], *part_of_name(handed)]
        more = [word for word, said in (("asked", asked), ("end", at_end)) if said]
        name = "-".join(["capsule", *own, *more])
        return Graph(child, self._root, self._templates, name, handed=handed, asked=asked, at_end=at_end)

    def _own_step(self, name: str, template: str, when: str | None = None) -> m.WorkflowStep:
        return m.WorkflowStep(name=name, template=template, when=when, arguments=handed_on(*_OWN))

    def _fan_out(self, node: Node) -> str:
        """Opened once, a task for each index, and closed when the last has ended; the items stay in the ledger."""
        assert node.fan_out is not None  # noqa: S101 - its caller looked
        one, limit = self._one(node), node.fan_out.max_parallel
        name = "-".join([f"each-{one}", *([f"{limit}-at-once"] if limit else []), *self._end])
        if self._templates.has(name):
            return name
        whole, each = handed_on("step", "run", "at"), handed_on("step", "run", "at", item="{{item}}")
        open_, close = (self._templates.pod(Shape(word, verdict=node.verdict)) for word in ("open", "close"))
        made = m.Template(name=name, inputs=inputs("step", "run", "at"), parallelism=limit or None)
        if self._at_end:
            items = "{{steps.open.outputs.parameters.items}}"
            made.steps = in_turn(
                [
                    m.WorkflowStep(name="open", template=open_, arguments=whole),
                    m.WorkflowStep(name="item", template=one, with_param=items, arguments=each, continue_on=_WHATEVER),
                    m.WorkflowStep(name="close", template=close, arguments=whole),
                ]
            )
        else:
            items = "{{tasks.open.outputs.parameters.items}}"
            tasks = [
                m.DAGTask(name="open", template=open_, arguments=whole),
                m.DAGTask(name="item", depends="open", template=one, with_param=items, arguments=each),
                m.DAGTask(name="close", depends=f"open && {ended('item')}", template=close, arguments=whole),
            ]
            made.dag = m.DAGTemplate(fail_fast=False, tasks=tasks)
        return self._templates.add(made)


def people() -> m.Template:
    """The node that waits while people are asked; when their time is over it goes on by itself."""
    return m.Template(
        name="people",
        inputs=m.Inputs(parameters=[m.Parameter(name="seconds")]),
        suspend=m.SuspendTemplate(duration="{{inputs.parameters.seconds}}"),
    )


def task(name: str, template: str, arguments: dict[str, Any] | None, after: Iterable[str]) -> dict[str, Any]:
    """A task of a DAG, as Hera's `DAGTask` would write it."""
    found: dict[str, Any] = {"arguments": arguments} if arguments else {}
    depends = " && ".join(after)
    if depends:
        found["depends"] = depends
    return found | {"name": name, "template": template}


def ended(task: str) -> str:
    """A condition: the task has ended, however it did."""
    return "(" + " || ".join(f"{task}.{status}" for status in ENDED) + ")"


def says(step: str, phase: str) -> str:
    """A condition: the step's runner answered with this phase."""
    return f"'{{{{steps.{step}.outputs.parameters.phase}}}}' == '{phase}'"


def _shows_failures(units: Sequence[Unit]) -> bool:
    """Whether Argo calls the whole failed when a step is: not if others of its pod let what comes after go on."""
    needed = {edge.step for unit in units for edge in unit.needs}
    return bool(units) and all(len(unit.nodes) == 1 or unit.id not in needed for unit in units)


def _names(units: Sequence[Unit]) -> dict[str, str]:
    """A name for the task of each, by the id of its first step; no step's own begins with a capital."""
    found: dict[str, str] = {}
    taken = set()
    for unit in units:
        steps = [task_name(node.id) for node in unit.nodes]
        name = steps[0] if len(steps) == 1 else "-".join(["Steps", *steps])
        if len(name) > _LONGEST_NAME or name in taken:
            name = f"Steps-{steps[0]}-and-{len(steps) - 1}-more"
        found[unit.id] = name
        taken.add(name)
    return found


def _left_name(path: Sequence[str]) -> str:
    name = f"Left-{'-Of-'.join(map(task_name, reversed(path)))}"  # no two read alike: ids have no capitals
    if len(name) <= _LONGEST_STEP:
        return name
    return f"{name[: _LONGEST_STEP - 9].rstrip('-')}-{sha256('/'.join(path).encode()).hexdigest()[:8]}"


def task_name(step: str) -> str:
    """Ids have no hyphens, so no two become the same."""
    return step.replace("_", "-")
