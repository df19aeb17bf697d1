"""What emitting a plan for Argo takes, against Hera's own way with the same graph, and how large it becomes.

`python benchmarks/argo_emission.py [--rounds 5]`. Ours is from the compiled plan to the text of the WorkflowTemplate,
as JSON and as YAML. Hera builds the same tasks and edges by its own classes, all of one shared template (what it is
quickest with), and writes them by `to_dict` (and the same `json.dumps`) and by `to_yaml`; it has neither retries nor
fan-outs. CPU ms of this process, medians; bytes are those of compact JSON.

Goals: at most 250 bytes a step without fusing, linear growth, and quicker than Hera's own `to_dict`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial

import hera.workflows as hera
from capsules import realistic
from compile import compiler
from timing import cpu_ms

from somagent.capsule_compiler.plan import Plan
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.sizes import sizes_of
from somagent.workflows.engines.argo.emit.workflow import workflow_template
from somagent.workflows.engines.argo.emit.yaml_text import write_documents

SIZES = (100, 1000, 5000)
FUSED = Place(image="registry.example/somagent:1", runs="s3://bucket/runs", runs_secret="somagent-runs")
ALONE = Place(image=FUSED.image, runs=FUSED.runs, runs_secret=FUSED.runs_secret, fuse=False)
_compact = partial(json.dumps, separators=(",", ":"))


def by_hera(plan: Plan) -> hera.Workflow:
    """The same steps and edges, each a task of one shared template."""
    with hera.Workflow(generate_name="bench-", entrypoint="main") as workflow:
        step = hera.Container(
            name="step",
            image="registry.example/somagent:1",
            command=["somagent-step"],
            args=["step", "{{inputs.parameters.step}}"],
            inputs=[hera.Parameter(name="step")],
        )
        with hera.DAG(name="main"):
            for node in plan.nodes:
                hera.Task(
                    name=node.id.replace("_", "-"),
                    template=step,
                    arguments=[hera.Parameter(name="step", value=node.id)],
                    depends=" && ".join(edge.step.replace("_", "-") for edge in node.needs) or None,
                )
    return workflow


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    compiled = compiler()
    print(f"{'CPU ms':<40}" + "".join(f"{size:>10,}" for size in SIZES) + f"{'growth':>10}")
    plans = [compiled(realistic(size)) for size in SIZES]
    ways: dict[str, Callable[[Plan], object]] = {
        "ours, objects": lambda plan: workflow_template(plan, ALONE),
        "ours, JSON": lambda plan: _compact(workflow_template(plan, ALONE)),
        "ours, YAML": lambda plan: write_documents([workflow_template(plan, ALONE)]),
        "ours, fused, JSON": lambda plan: _compact(workflow_template(plan, FUSED)),
        "Hera's to_dict, JSON": lambda plan: _compact(by_hera(plan).to_dict()),
        "Hera's to_yaml": lambda plan: by_hera(plan).to_yaml(),
    }
    for name, way in ways.items():
        times = [
            cpu_ms(partial(way, plan), rounds if len(plan.nodes) < SIZES[-1] else min(rounds, 3)) for plan in plans
        ]
        growth = times[-1] / times[-2] / (SIZES[-1] / SIZES[-2])
        print(f"{name:<40}" + "".join(f"{one:>10.1f}" for one in times) + f"{growth:>9.2f}x")
    print(f"\n{'bytes of JSON a step':<40}" + "".join(f"{size:>10,}" for size in SIZES))
    for name, place in (("ours", ALONE), ("ours, fused", FUSED)):
        each = [len(_compact(workflow_template(plan, place))) / len(plan.nodes) for plan in plans]
        print(f"{name:<40}" + "".join(f"{one:>10.0f}" for one in each))
    each = [len(_compact(by_hera(plan).to_dict())) / len(plan.nodes) for plan in plans]
    print(f"{'Hera, one shared template':<40}" + "".join(f"{one:>10.0f}" for one in each))
    for name, place in (("ours", ALONE), ("ours, fused", FUSED)):
        for plan in plans:
            print(f"\n{name}, {len(plan.nodes):,} steps")
            for size in sizes_of(workflow_template(plan, place)):
                print(f"  {size}")


if __name__ == "__main__":
    main()
