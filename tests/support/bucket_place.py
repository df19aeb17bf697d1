"""A bucket with one run in it, and the program that pods and tasks start, as processes at it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from somagent.governance.constitution import default_constitution
from somagent.operators.operator import Operator
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Decision, RunRecord
from somagent.workflows.capsules import compile_content, this_installation
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects import listing, people
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.objects.reading import run_view
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.engines.remote.log import Logs
from somagent.workflows.engines.remote.work import Worker

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: demo }\nspec:\n  steps:\n"


class Place:
    """A bucket with one run in it, at `root`, else at `$OBJECTS`, else in a folder."""

    def __init__(self, folder: Path, root: str = "") -> None:
        self.folder = folder
        root = root or os.environ.get("OBJECTS", f"file://{folder}/bucket")
        self.address = f"{root}/{os.urandom(4).hex()}"
        self.bucket = Bucket(self.address)
        self.run = f"r-{os.urandom(4).hex()}"
        self.plan = ""  # the digest of the plan that the program is started for, where it says so
        self.workflow_id = ""  # the id of the Workflow that the program is started by, where it says so

    def submit(self, steps: str, **beside: str) -> None:
        """`beside` are capsules that the run's uses, by name."""
        for name, text in beside.items():
            head = HEAD.replace("demo", name).removesuffix("  steps:\n")
            (self.folder / f"{name}.capsule.yaml").write_text(head + text)
        path = self.folder / "demo.capsule.yaml"
        done = compile_content(path, (HEAD + steps).encode(), this_installation(), default_constitution())
        assert done.plan is not None, done.diagnostics
        run = RunRecord(
            id=self.run, capsule="demo", plan_digest="", submitter="ada", inputs={}, created_at=datetime.now(UTC)
        )
        asyncio.run(people.submit(self.ledger(), run, done.plan, done.contents))

    def ledger(self) -> ObjectLedger:
        contents = Contents(self.folder / f"contents-{os.urandom(4).hex()}", origin=BucketContents(self.bucket))
        return ObjectLedger(self.bucket, contents, utc_now)

    def start(
        self, *words: object, run: str = "", stdin: int | None = None, address: str = ""
    ) -> subprocess.Popen[str]:
        """`address` is another one of the same bucket."""
        program = [sys.executable, "-m", "somagent.workflows.engines.remote.start"]
        command = [*program, "--answers", self.answers(), "--reason", self.folder / "reason"]
        environment = {
            **os.environ,
            "SOMAGENT_RUNS": address or self.address,
            "SOMAGENT_RUN": run or self.run,
            "SOMAGENT_LEASE_SECONDS": "1",
            **({"SOMAGENT_PLAN": self.plan} if self.plan else {}),
            **({"SOMAGENT_WORKFLOW": self.workflow_id} if self.workflow_id else {}),
        }
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*map(str, (*command, *words))],
            env=environment,
            stdin=stdin,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )

    async def worker(self, **operators: Operator) -> Worker:
        """What the program works with, in this process; `operators` take the place of those that are installed."""
        ledger, work = self.ledger(), self.folder / f"work-{os.urandom(4).hex()}"
        run = await ledger.deeds.run(self.run)
        return Worker(
            ledger=ledger,
            run=run,
            plan=await ledger.plan(self.run),
            operators={**this_installation().operators, **operators},
            workspace=work,
            log=Logs(ledger, work / "logs").of,
            now=utc_now,
        )

    def answers(self) -> Path:
        return self.folder / "answers"

    def answer(self, name: str) -> str:
        return (self.answers() / name).read_text()

    def reason(self) -> str:
        """Why it ended otherwise than well."""
        return (self.folder / "reason").read_text()

    def do(self, *words: object, run: str = "") -> tuple[int, str]:
        """The exit code, and what it printed; of a step of `run`, when it is one inside."""
        process = self.start(*words, run=run)
        out, said = process.communicate(timeout=60)
        assert "Traceback" not in said
        return process.returncode, out + said

    def view(self) -> RunView:
        return asyncio.run(run_view(self.ledger(), self.run))

    def logs(self) -> list[str]:
        """What each attempt wrote."""
        return [chunk.text for chunk in asyncio.run(listing.logs(self.ledger(), self.run, None))]

    def decide(self, step: str, by: str, run: str = "", **said: Any) -> None:
        decision = Decision(step=step, by=by, approve=True, at=utc_now(), **said)
        asyncio.run(people.decide(self.ledger(), run or self.run, decision, "somagent show"))
