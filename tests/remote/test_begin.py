"""The first step of a Workflow that Argo's own tools submitted: it stores the run that the Workflow asks for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bucket_place import HEAD, Place

from somagent.governance.constitution import default_constitution
from somagent.operators.runner.records import RunRecord
from somagent.workflows.capsules import compile_content, this_installation
from somagent.workflows.engines.argo.kept import kept_in
from somagent.workflows.engines.protocol import DecisionRefused
from somagent.workflows.engines.remote.begin import begin_from

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

    def begin(self, *, uid: str = "0b5c", **labels: str) -> RunRecord:
        metadata: dict[str, Any] = {"name": self.run, "namespace": "jobs", "uid": uid, "labels": labels}
        workflow = {"metadata": metadata, "spec": {"arguments": {}}}
        return asyncio.run(begin_from(self.ledger(), self.folder / "plan", workflow))


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


def test_a_record_from_before_is_read_as_it_was() -> None:
    old = b'{"id":"r","capsule":"c","plan_digest":"","submitter":"ada","inputs":{},"created_at":"2026-11-02T09:00:00Z"}'
    run = msgspec.json.decode(old, type=RunRecord)
    assert run == RunRecord(
        id="r", capsule="c", plan_digest="", submitter="ada", inputs={}, created_at=datetime(2026, 11, 2, 9, tzinfo=UTC)
    )
    assert msgspec.json.encode(run) == old
