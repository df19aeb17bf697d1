"""The steps as DAGs: a task for each step, nested where a step is more than a pod or there are too many."""

from __future__ import annotations

from collections.abc import Sequence

from hera.workflows import models as m

from somagent.capsule_compiler.plan import Node, Plan
from somagent.workflows.engines.argo.emit.groups import Group, grouped
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.pods import Shape, pod, shape_of

ENDED = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted")
ASKING = "'{{steps.ask.outputs.parameters.phase}}' == 'Waiting'"


class Templates:
    """The templates of one workflow, each made once however many steps use it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._made: dict[str, m.Template] = {}

    def all(self) -> list[m.Template]:
        """In the order of their names."""
        return [self._made[name] for name in sorted(self._made)]

    def add(self, template: m.Template) -> str:
        """The template's name."""
        self._made.setdefault(template.name or "", template)
        return template.name or ""

    def pod(self, shape: Shape) -> str:
        """The name of the template of such pods."""
        if shape.name not in self._made:
            self.add(pod(shape, self._place))
        return shape.name


def main_dag(plan: Plan, templates: Templates) -> str:
    """The name of the template that runs all steps but `finally`."""
    groups = grouped(plan.nodes)
    if len(groups) == 1:
        return templates.add(
            _dag("steps", [_task(plan, node, templates, {one.id for one in plan.nodes}) for node in plan.nodes])
        )
    tasks = []
    for number, group in enumerate(groups):
        name = templates.add(_tasks(f"group-{number + 1}", plan, group, templates))
        after = [ended(f"group-{one + 1}") for one in sorted(group.needs)]
        tasks.append(m.DAGTask(name=f"group-{number + 1}", template=name, depends=" && ".join(after) or None))
    return templates.add(_dag("steps", tasks))


def ended(task: str) -> str:
    """A condition: the task has ended, however it did."""
    return "(" + " || ".join(f"{task}.{status}" for status in ENDED) + ")"


def task_name(step: str) -> str:
    """Ids have no hyphens, so no two become the same."""
    return step.replace("_", "-")


def _tasks(name: str, plan: Plan, group: Group, templates: Templates) -> m.Template:
    inside = {node.id for node in group.nodes}
    return _dag(name, [_task(plan, node, templates, inside) for node in group.nodes])


def _dag(name: str, tasks: Sequence[m.DAGTask]) -> m.Template:
    """A failed step stops nothing but what needs it."""
    return m.Template(name=name, dag=m.DAGTemplate(fail_fast=False, tasks=list(tasks)))


def _task(plan: Plan, node: Node, templates: Templates, inside: set[str]) -> m.DAGTask:
    """A step; what it needs of other groups has ended, and its runner looks how."""
    needs = [task_name(edge.step) for edge in node.needs if edge.step in inside]
    return m.DAGTask(
        name=task_name(node.id),
        template=_template_of(plan, node, templates),
        depends=" && ".join(dict.fromkeys(needs)) or None,
        arguments=m.Arguments(parameters=[m.Parameter(name="step", value=node.id)]),
    )


def _template_of(plan: Plan, node: Node, templates: Templates) -> str:
    if node.fan_out is not None:
        return templates.add(_fan_out(plan, node, templates))
    return _one(plan, node, templates)


def _one(plan: Plan, node: Node, templates: Templates) -> str:
    """One step or item: a pod, or where people may be asked, pods with waits between them that cost nothing."""
    step = templates.pod(shape_of(node))
    return templates.add(_asking(step)) if may_ask(plan, node) else step


def may_ask(plan: Plan, node: Node) -> bool:
    """Whether people may be asked before or in the step: by itself, by the constitution, or by a budget."""
    budgets = (node.budget, node.total_budget, plan.budget)
    asks = any(budget is not None and budget.on_exceed == "ask" for budget in budgets)
    return node.operator == "review" or asks or node.verdict in {"require_review", "depends"}


def _asking(step: str) -> m.Template:
    """Runs the step; while it waits, a node waits with it until it is told to go on, and the step runs again."""
    own = [_given("step"), _given("item")]
    name = f"{step}-asking"
    seconds = m.Parameter(name="seconds", value="{{steps.ask.outputs.parameters.seconds}}")
    return m.Template(
        name=name,
        inputs=m.Inputs(parameters=[m.Parameter(name="step"), m.Parameter(name="item", default="-1")]),
        steps=[
            _at_once(m.WorkflowStep(name="ask", template=step, arguments=m.Arguments(parameters=own))),
            _at_once(
                m.WorkflowStep(
                    name="people", template="people", when=ASKING, arguments=m.Arguments(parameters=[seconds])
                )
            ),
            _at_once(m.WorkflowStep(name="answer", template=name, when=ASKING, arguments=m.Arguments(parameters=own))),
        ],
    )


def people() -> m.Template:
    """The node that waits while people are asked; when their time is over it goes on by itself."""
    return m.Template(
        name="people",
        inputs=m.Inputs(parameters=[m.Parameter(name="seconds")]),
        suspend=m.SuspendTemplate(duration="{{inputs.parameters.seconds}}"),
    )


def _fan_out(plan: Plan, node: Node, templates: Templates) -> m.Template:
    """Opened once, a task for each index, and closed when the last has ended; the items stay in the ledger."""
    assert node.fan_out is not None  # noqa: S101 - its caller looked
    one, limit = _one(plan, node, templates), node.fan_out.max_parallel
    item = [_given("step"), m.Parameter(name="item", value="{{item}}")]
    whole = m.Arguments(parameters=item[:1])
    return m.Template(
        name=f"each-{one}" + (f"-{limit}-at-once" if limit else ""),
        inputs=m.Inputs(parameters=[m.Parameter(name="step")]),
        parallelism=limit or None,
        dag=m.DAGTemplate(
            fail_fast=False,
            tasks=[
                m.DAGTask(
                    name="open", template=templates.pod(Shape("open")), arguments=m.Arguments(parameters=item[:1])
                ),
                m.DAGTask(
                    name="item",
                    depends="open",
                    template=one,
                    with_param="{{tasks.open.outputs.parameters.items}}",
                    arguments=m.Arguments(parameters=item),
                ),
                m.DAGTask(
                    name="close",
                    depends=f"open && {ended('item')}",
                    template=templates.pod(Shape("close")),
                    arguments=whole,
                ),
            ],
        ),
    )


def _given(name: str) -> m.Parameter:
    return m.Parameter(name=name, value=f"{{{{inputs.parameters.{name}}}}}")


def _at_once(step: m.WorkflowStep) -> m.ParallelSteps:
    return m.ParallelSteps([step])
