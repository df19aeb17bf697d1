"""A script step as the step runner would start it, with real processes."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from somagent.capsule_compiler.plan import CapsuleInfo, IncludedFile, Node, Plan, RuleBook, digest_of
from somagent.governance.constitution import default_constitution
from somagent.operators.operator import Step, StepFailure
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.folders import remove_tree
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.records import RunRecord, StepKey
from somagent.operators.runner.secrets import Vault
from somagent.operators.script import OPERATOR, ScriptArgs

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@dataclass
class Script:
    """Runs scripts in the place `root`; `contents` is the content store."""

    root: Path
    contents: Contents

    def step(self, outputs: dict[str, Any] | None = None, files: dict[str, str] | None = None, **fields: Any) -> Step:
        default = default_constitution()
        node = Node(id="job", operator="script", timeout_ms=60_000, outputs=outputs or {})
        plan = Plan(
            format="plan/v1",
            capsule=CapsuleInfo(name="demo"),
            constitution=RuleBook(name="default", version="1", digest=default.digest, document={}),
            types={"Word": {"type": "string"}},
            nodes=[node],
            catalogue=digest_of(b""),
            files=[
                IncludedFile(path=path, digest=self.contents.put_bytes(text.encode()), size=len(text.encode()))
                for path, text in (files or {}).items()
            ],
        )
        folder = self.root / "attempt"
        remove_tree(folder)
        folder.mkdir()
        values: dict[str, Any] = {"attempt": 1, "key": StepKey("r1", "job")} | fields
        return Step(
            run=RunRecord(id="r1", capsule="demo", plan_digest="", submitter="ada", inputs={}, created_at=NOW),
            plan=plan,
            node=node,
            folder=folder,
            log=StepLog(self.root / "log"),
            contents=self.contents,
            time_s=60.0,
            now=lambda: NOW,
            vault=Vault(()),
            **values,
        )

    async def started(self, run: str, *, step: Step | None = None, **arguments: Any) -> dict[str, Any]:
        """Runs the script inside a running loop."""
        step = step or self.step()
        try:
            answer = await OPERATOR.run(msgspec.convert({"run": run, **arguments}, ScriptArgs), step)
        finally:
            step.log.close()
        return msgspec.to_builtins(answer.outputs)

    def __call__(self, run: str, outputs: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
        """The outputs of the script; its output is in `log`."""
        step = arguments.pop("step", None) or self.step(outputs, arguments.pop("files", None))
        return asyncio.run(self.started(run, step=step, **arguments))

    def failure(self, run: str, outputs: dict[str, Any] | None = None, **arguments: Any) -> StepFailure:
        """How the script fails."""
        with pytest.raises(StepFailure) as caught:
            self(run, outputs, **arguments)
        return caught.value

    @property
    def log(self) -> str:
        path = self.root / "log"
        return path.read_text() if path.exists() else ""

    def text(self, artifact: dict[str, Any]) -> str:
        return self.contents.read_bytes(artifact["artifact"]).decode()


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path, Contents(tmp_path / "contents"))


def marked(mark: str) -> list[str]:
    """Command lines of living processes that have the text in their command line or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            state = (entry / "stat").read_text().rpartition(") ")[2][0]
        except OSError:
            continue
        if mark.encode() in line and state not in "ZX":
            found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.fixture
def alive() -> Callable[[str], list[str]]:
    """Which processes with this mark are alive."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc to look for processes (Linux)")
    return marked


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """No thread, process or open file is left by a test."""

    def state() -> tuple[set[Any], set[str], set[str]]:
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        files = Path("/proc/self/fd")
        return (
            set(threading.enumerate()),
            set(children.read_text().split()) if children.exists() else set(),
            {str(file.readlink()) for file in files.iterdir() if os.path.lexists(file)} if files.exists() else set(),
        )

    before = state()
    yield
    after = state()
    assert [now - then for now, then in zip(after, before, strict=True)][:2] == [set(), set()]
    assert not [link for link in after[2] - before[2] if link.startswith(("pipe:", "/tmp")) or "pidfd" in link]
