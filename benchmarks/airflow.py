"""What a capsule on Airflow costs beside a DAG that somebody wrote by hand: to read its file, and for each step.

`python benchmarks/airflow.py [--rounds 5] [--steps 10]`. A real Airflow, from what `make airflow` set up, on a database
of its own. *Read*: one more reading of a DAG file by Airflow's own `DagBag`, in a process that has read it before, as
its DAG processor has; CPU, median of 20. *Run*: from the start of a DAG run to its end, as Airflow writes it down, of a
chain of steps with the same script, `true`: by hand each is a BashOperator; ours start the step runner, which keeps
result, attempt and verdict in a folder. Rounds take turns; the first one is left out.

Goal: a file is read in 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from airflow_servers import Airflow, airflow_program
from airflow_site import Site
from databases import Server
from graphs import chain, plan_of

from somagent.governance.constitution import default_constitution
from somagent.workflows.capsules import compile_file, find_capsule, this_installation
from somagent.workflows.engines.airflow.emit.dag import dag_file
from somagent.workflows.engines.airflow.emit.place import Place
from somagent.workflows.engines.protocol import EngineError

LENGTHS = (10, 100, 1000)
PLACE = Place(runs="file:///srv/runs", step_runner=("/opt/somagent/bin/somagent-step",))
READ = """
import statistics, sys, time
from airflow.dag_processing.dagbag import DagBag
for path in sys.argv[1:]:
    took = []
    for _ in range(21):
        bag = DagBag(path, collect_dags=False)
        begun = time.process_time()
        found = bag.process_file(path, only_if_updated=False)
        took.append(time.process_time() - begun)
        assert len(found) == 1, bag.import_errors
    print(f"read {statistics.median(took[1:]) * 1000}")
"""
BY_HAND = """
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG({name!r}, schedule=None, is_paused_upon_creation=False):
    tasks = [BashOperator(task_id=f"s{{n}}", bash_command="true") for n in range({steps})]
    for one, other in zip(tasks, tasks[1:]):
        one >> other
"""


def read(airflow: Path, folder: Path) -> None:
    """Prints a table of how long files take to read."""
    found = compile_file(find_capsule("repo-health"), this_installation(), default_constitution()).plan
    assert found is not None
    plans = {"repo-health": found} | {f"chain of {n}": plan_of(chain(n), "nothing") for n in LENGTHS}
    paths: list[Path] = []
    for name, plan in plans.items():
        emitted = dag_file(plan, PLACE)
        by_hand = BY_HAND.format(name=name.replace(" ", "-"), steps=len(plan.nodes))
        for file, text in ((emitted.dag_id, emitted.dag), (f"{emitted.dag_id}-by-hand", by_hand)):
            paths.append(folder / f"{file}.py")
            paths[-1].write_text(text)
    done = subprocess.run(
        [airflow.with_name("python"), "-c", READ, *paths],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
    )
    took = iter(float(line.partition(" ")[2]) for line in done.stdout.splitlines() if line.startswith("read "))
    print(f"{'read':16} {'steps':>6} {'bytes/step':>11} {'ours ms':>9} {'by hand ms':>11}")
    for (name, plan), path in zip(plans.items(), paths[::2], strict=True):
        steps = len(plan.nodes)
        print(f"{name:16} {steps:6} {path.stat().st_size / steps:11.0f} {next(took):9.1f} {next(took):11.1f}")


async def run(site: Site, steps: int, rounds: int) -> None:
    """Prints a table of how long runs take."""
    spec = "  steps:\n    s0: { script: { run: 'true' } }\n" + "".join(
        f"    s{n}: {{ needs: [s{n - 1}], script: {{ run: 'true' }} }}\n" for n in range(1, steps)
    )
    (site.airflow.dags / "by_hand.py").write_text(BY_HAND.format(name="by_hand", steps=steps))
    took: dict[str, list[float]] = {"ours": [], "by hand": []}
    for number in range(rounds + 1):  # the first one imports what the others have
        view = await site.run(spec)
        assert view.phase == "Succeeded"
        ours = _seconds_of(await site.dag_run(view.run.id))
        by_hand = await _by_hand(site, f"by-hand-{number}")
        if number:
            took["ours"].append(ours)
            took["by hand"].append(by_hand)
    print(f"\n{'run':16} {'steps':>6} {'median s':>9} {'ms/step':>9}  from  to s")
    for key, all_of in took.items():
        middle = statistics.median(all_of)
        print(f"{key:16} {steps:6} {middle:9.2f} {middle / steps * 1000:9.0f}  {min(all_of):.2f}  {max(all_of):.2f}")
    ours, by_hand = (statistics.median(one) for one in took.values())
    print(f"overhead {(ours - by_hand) / steps * 1000:.0f} ms a step; ours/by hand {ours / by_hand:.2f}")


async def _by_hand(site: Site, name: str) -> float:
    """Seconds of a run of the other DAG, which Airflow knows after a while."""
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(EngineError):
                await site.rest.post("dags", "by_hand", "dagRuns", body={"dag_run_id": name, "logical_date": None})
                break
            await asyncio.sleep(0.5)
    await site.state(name)
    return _seconds_of(await site.dag_run(name))


def _seconds_of(run: Mapping[str, Any]) -> float:
    begun, ended = (datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
    return (ended - begun).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    airflow = airflow_program()
    if airflow is None:
        sys.exit("error: there is no Airflow here; `make airflow` sets one up")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        read(airflow, folder)
        database = os.environ.get("DATABASE_URL") or stack.enter_context(contextlib.closing(Server())).address
        server = stack.enter_context(contextlib.closing(Airflow(airflow, database, folder / "dags")))
        asyncio.run(run(Site(server, folder), arguments.steps, arguments.rounds))


if __name__ == "__main__":
    main()
