"""A policy step as the step runner would start it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from somagent.capsule_compiler.plan import CapsuleInfo, Node, Plan, RuleBook, digest_of
from somagent.governance.constitution import constitution_from_document, default_constitution
from somagent.operators.operator import Step
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.records import RunRecord, StepKey
from somagent.operators.runner.secrets import Vault

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
def book() -> Callable[..., RuleBook]:
    """A rule book with these rules and attributes."""

    def make(rules: list[dict[str, Any]], **spec: Any) -> RuleBook:
        document = {
            "apiVersion": "somagent.io/v1alpha1",
            "kind": "Constitution",
            "metadata": {"name": "release"},
            "spec": {"version": "2.1.0", "rules": rules, **spec},
        }
        constitution = constitution_from_document(document)
        return RuleBook(name="release", version="2.1.0", digest=constitution.digest, document=document)

    return make


@pytest.fixture
def step(tmp_path: Path) -> Callable[..., Step]:
    """The step `gate` of a run, with policy sets; governed by the default constitution unless another is given."""

    def make(governing: RuleBook | None = None, **policies: RuleBook) -> Step:
        default = default_constitution()
        node = Node(id="gate", operator="policy", gate=True, timeout_ms=1000)
        plan = Plan(
            format="plan/v1",
            capsule=CapsuleInfo(name="demo", package="acme/demo", version="1.0.0"),
            constitution=governing
            or RuleBook(
                name=default.name, version=default.version, digest=default.digest, document=dict(default.document)
            ),
            policies=policies,
            nodes=[node],
            catalogue=digest_of(b""),
        )
        folder = tmp_path / "attempt"
        folder.mkdir(exist_ok=True)
        return Step(
            run=RunRecord(id="r1", capsule="demo", plan_digest="sha256:0", submitter="ana", inputs={}, created_at=NOW),
            plan=plan,
            node=node,
            key=StepKey("r1", "gate"),
            attempt=1,
            folder=folder,
            log=StepLog(tmp_path / "log.txt"),
            contents=Contents(tmp_path / "contents"),
            time_s=60.0,
            now=lambda: NOW,
            vault=Vault(()),
        )

    return make
