"""The first step of a Workflow that Argo's own tools submitted: it stores the run that the Workflow asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bucket_place import HEAD, Place

from somagent.capsule_compiler.plan import Plan
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators
from somagent.operators.runner.records import RunRecord, StepKey
from somagent.workflows.capsules import compile_content, this_installation
from somagent.workflows.engines.argo.kept import kept_in
from somagent.workflows.engines.objects import people
from somagent.workflows.engines.objects.driver import Address
from somagent.workflows.engines.objects.engine import ObjectEngine
from somagent.workflows.engines.protocol import DecisionRefused, EngineError
from somagent.workflows.engines.remote.begin import begin_from
from somagent.workflows.engines.remote.exits import Exit

CREATOR = "workflows.argoproj.io/creator"
GATE = "    ask: { review: { title: Go on?, reviewers: { groups: [leads], notSubmitter: true } } }\n"


class Submitted(Place):
    """A bucket, and a plan as a pod has it mounted."""

    def keep(self, steps: str) -> None:
        done = compile_content(
            self.folder / "demo.capsule.yaml", (HEAD + steps).encode(), this_installation(), default_constitution()
        )
        assert done.plan is not None, done.diagnostics
        (self.folder / "plan").mkdir()
        for one in kept_in(done.plan, done.contents):
            for name, text in one.get("data", {}).items():
                (self.folder / "plan" / name).write_text(text)

    def workflow(self, uid: str = "0b5c", namespace: str = "jobs", **labels: str) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": self.run, "namespace": namespace, "uid": uid, "labels": labels}
        return {"metadata": metadata, "spec": {"arguments": {}}}

    def begin(self, uid: str = "0b5c", namespace: str = "jobs", **labels: str) -> RunRecord:
        return asyncio.run(begin_from(self.ledger(), self.folder / "plan", self.workflow(uid, namespace, **labels)))


@pytest.fixture
def place(tmp_path: Path) -> Submitted:
    return Submitted(tmp_path)


def test_who_submitted_it_cannot_decide_by_the_name_that_a_label_could_not_hold(place: Submitted) -> None:
    place.keep(GATE)
    labels = {CREATOR: "CgNib2I", f"{CREATOR}-preferred-username": "bob-corp.example"}
    assert place.begin(**labels).submitter == "bob-corp.example"
    assert place.do("step", "ask")[0] == 0
    said = r"started the run, by what Argo says of its submitter \(bob-corp.example, CgNib2I\), and its"
    with pytest.raises(DecisionRefused, match=f"bob@corp.example {said}"):
        place.decide("ask", "bob@corp.example", groups=["leads"])
    with pytest.raises(DecisionRefused, match=f"Robert {said}"):
        place.decide("ask", "Robert", groups=["leads"], aliases=["CgNib2I"])
    place.decide("ask", "ana@corp.example", groups=["leads"], aliases=["CgNhbmE"])
    assert place.do("step", "ask")[0] == 0
    assert place.view().steps[0].phase == "Succeeded"


def test_where_argo_has_one_name_for_everybody_the_gate_opens_for_nobody(place: Submitted) -> None:
    place.keep(GATE)
    assert place.begin(**{CREATOR: "system-serviceaccount-argo-argo-server"}).submitter == ""
    place.do("step", "ask")
    with pytest.raises(DecisionRefused, match="nobody knows who started the run"):
        place.decide("ask", "ana", groups=["leads"])


def test_another_workflow_of_the_name_is_refused_and_leaves_the_older_run_alone(place: Submitted) -> None:
    place.keep("    a: { script: { run: echo worked } }\n")
    run = place.begin("first")
    said = (
        rf"a run `{run.id}` is there already: another Workflow \(jobs/{run.id}\) began it at {run.created_at:%Y-%m-%d}"
    )
    for again in (("second", "jobs"), ("third", "others")):
        with pytest.raises(EngineError, match=rf"{said} .*--generate-name.*somagent prune"):
            place.begin(*again)
    place.workflow_id = "third"
    for command in (["end"], ["step", "a"]):  # as at the exit of a Workflow whose first step has failed
        assert place.do(*command)[0] == Exit.REFUSED
        assert place.reason().startswith(f"a run `{run.id}` is there already")
    assert place.view().phase == "Pending"
    place.workflow_id = "first"
    assert place.begin("first") == run
    assert place.do("step", "a") == (Exit.DONE, "worked\n")
    assert place.do("end")[0] == Exit.DONE
    assert place.view().phase == "Succeeded"


def test_a_workflow_that_begins_twice_at_once_has_one_run(place: Submitted) -> None:
    place.keep("    a: { script: { run: echo worked } }\n")

    async def twice() -> list[RunRecord]:
        pods = [begin_from(place.ledger(), place.folder / "plan", place.workflow()) for _ in range(4)]
        return await asyncio.gather(*pods)

    first, *others = asyncio.run(twice())
    assert others == [first] * 3


def test_of_two_workflows_that_begin_at_once_one_has_the_run_and_its_address(place: Submitted) -> None:
    place.keep("    a: { script: { run: echo worked } }\n")

    async def both() -> list[Any]:
        workflows = [place.workflow(f"w{number}", f"space{number}") for number in range(4)]
        pods = [begin_from(place.ledger(), place.folder / "plan", one) for one in workflows]
        return await asyncio.gather(*pods, return_exceptions=True)

    came = asyncio.run(both())
    (number,) = [number for number, one in enumerate(came) if isinstance(one, RunRecord)]
    assert all(isinstance(one, EngineError) for one in came if not isinstance(one, RunRecord))
    address = asyncio.run(people.address_of(place.ledger(), place.run))
    assert (address.where, address.begun_by) == (f"space{number}/{place.run}", f"w{number}")


class Processes:
    """Starts the steps of a run that was left, as the Workflow that `resume` submits."""

    def __init__(self, place: Submitted) -> None:
        self._place = place

    def address(self, run_id: str) -> Address:
        return Address("argo", f"jobs/{run_id}")

    async def start(self, run: RunRecord, plan: Plan, kept: Set[str]) -> None:
        for node in plan.nodes:
            if node.id not in kept:
                await asyncio.to_thread(self._place.do, "step", node.id, run=run.id)

    async def go_on(self, run_id: str, answered: Mapping[StepKey, str]) -> None:
        pass


def test_a_run_whose_workflow_was_deleted_goes_on_with_resume(place: Submitted) -> None:
    place.keep("    a: { script: { run: echo worked } }\n")
    run = place.begin("first")
    operators = load_operators().operators
    engine = ObjectEngine(place.address, place.folder, operators, driver=Processes(place))  # type: ignore[arg-type]
    asyncio.run(engine.go_on(run.id))
    assert place.view().steps[0].phase == "Succeeded"


def test_a_record_from_before_is_read_as_it_was() -> None:
    old = b'{"id":"r","capsule":"c","plan_digest":"","submitter":"ada","inputs":{},"created_at":"2026-11-02T09:00:00Z"}'
    run = msgspec.json.decode(old, type=RunRecord)
    assert run == RunRecord(
        id="r", capsule="c", plan_digest="", submitter="ada", inputs={}, created_at=datetime(2026, 11, 2, 9, tzinfo=UTC)
    )
    assert msgspec.json.encode(run) == old
