"""A review step as the step runner would start it, at any time and with any decisions."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from somagent.capsule_compiler.plan import CapsuleInfo, Node, Plan, RuleBook, digest_of
from somagent.governance.constitution import default_constitution
from somagent.operators.operator import Step
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.records import Decision, RunRecord, StepKey, Waiting
from somagent.operators.runner.secrets import Vault

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
def step(tmp_path: Path) -> Callable[..., Step]:
    """The step `release_review` of a run that `ana` started."""

    def make(*, decisions: Sequence[Decision] = (), asked: Waiting | None = None, now: datetime = NOW) -> Step:
        default = default_constitution()
        node = Node(id="release_review", operator="review", gate=True, timeout_ms=1000)
        folder = tmp_path / "attempt"
        folder.mkdir(exist_ok=True)
        return Step(
            run=RunRecord(id="r1", capsule="demo", plan_digest="sha256:0", submitter="ana", inputs={}, created_at=NOW),
            plan=Plan(
                format="plan/v1",
                capsule=CapsuleInfo(name="demo"),
                constitution=RuleBook(
                    name=default.name, version=default.version, digest=default.digest, document=dict(default.document)
                ),
                nodes=[node],
                catalogue=digest_of(b""),
            ),
            node=node,
            key=StepKey("r1", "release_review"),
            attempt=1 if asked is None else 2,
            folder=folder,
            log=StepLog(tmp_path / "log.txt"),
            contents=Contents(tmp_path / "contents"),
            time_s=60.0,
            decisions=tuple(decisions),
            asked=asked,
            now=lambda: now,
            vault=Vault(()),
        )

    return make
