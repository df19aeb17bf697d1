"""A bundle step as the step runner would start it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from somagent.capsule_compiler.plan import CapsuleInfo, Node, Plan, RuleBook, digest_of
from somagent.operators.bundle import OPERATOR, BundleArgs
from somagent.operators.operator import Step
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.records import Artifact, RunRecord, StepKey
from somagent.operators.runner.secrets import Vault

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return Contents(tmp_path / "contents")


@pytest.fixture
def bundle(tmp_path: Path, contents: Contents) -> Callable[..., Path]:
    """The zip file of a bundle step with these artifacts."""
    node = Node(id="pack", operator="bundle", timeout_ms=60_000)
    plan = Plan(
        format="plan/v1",
        capsule=CapsuleInfo(name="demo", package="acme/demo", version="1.2.0"),
        constitution=RuleBook(name="house", version="1", digest=digest_of(b"house"), document={}),
        nodes=[node],
        catalogue=digest_of(b""),
    )
    numbers = iter(range(1000))

    def make(*artifacts: Artifact, name: str = "handover", run: str = "r1") -> Path:
        folder = tmp_path / f"attempt-{next(numbers)}"
        folder.mkdir()
        record = RunRecord(
            id=run, capsule="demo", plan_digest=digest_of(b"plan"), submitter="ada", inputs={}, created_at=NOW
        )
        step = Step(
            run=record,
            plan=plan,
            node=node,
            key=StepKey(run, "pack"),
            attempt=1,
            folder=folder,
            log=StepLog(tmp_path / "log"),
            contents=contents,
            time_s=60.0,
            now=lambda: NOW,
            vault=Vault(()),
        )
        arguments: dict[str, Any] = {"name": name, "include": msgspec.to_builtins(artifacts)}
        answer = asyncio.run(OPERATOR.run(msgspec.convert(arguments, BundleArgs), step))
        return contents.shared_copy(msgspec.convert(answer.outputs["artifact"], Artifact))

    return make
