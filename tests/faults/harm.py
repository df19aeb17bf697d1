"""What campaigns have in common, whatever harms the engine: what was done, to which runs, and when.

The object store is a process that `STORE_PROCESS` names (default: versitygw); `CLUSTER_SIGNAL` is a command to which
`-KILL -f NAME` is added as for `pkill`, its default, and `CLUSTER_UP` one that starts again what died, for servers that
nobody else starts again.
"""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from verdict import Harm

from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.protocol import EngineError

_SIGNAL = shlex.split(os.environ.get("CLUSTER_SIGNAL", "pkill"))
_UP = shlex.split(os.environ.get("CLUSTER_UP", "true"))
_STORE = os.environ.get("STORE_PROCESS", "versitygw")
_RECORDED_S = 10.0  # so long a result that was told may take to be recorded

Mark = dict[str, Any]


class Place(ABC):
    """Where runs are at work, and what can be done to them there."""

    OF_RUNS: ClassVar[Mapping[str, int]]  # harms to a run or a step, and how often each, against each other
    OF_ALL: ClassVar[Mapping[str, int]]  # to all of them: one at a time, and no longer than half a minute each

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.host = "127.0.0.1"  # at which steps reach this machine
        self.bucket = ""
        self.environment: dict[str, str] = {}  # of the commands
        self.harms: list[Harm] = []
        self.runs: Callable[[], list[str]] = list  # those that are at work
        self._recorded_wanted = threading.Semaphore(0)

    @abstractmethod
    def kinds(self) -> Mapping[str, Callable[[], str]]:
        """Each kind of harm; what does it returns what was hit, or nothing."""

    @abstractmethod
    def worker_of(self, mark: Mark) -> str:
        """What works on the step that said so, as `lose` takes it; the step waits meanwhile."""

    @abstractmethod
    def lose(self, worker: str) -> bool:
        """Takes it away at once; whether there was anything to take away."""

    @abstractmethod
    def seen(self, run: str) -> str:
        """What the engine's own servers have of the run, as text."""

    @abstractmethod
    def leave(self, run: str) -> None:
        """Removes from them what nobody looks at any more."""

    def close(self) -> None:  # noqa: B027 - some leave nothing
        """Ends what was started for the campaign."""

    def do(self, kind: str) -> bool:
        """Does it, and notes it if there was anything to hit."""
        begun = time.time()
        target = self.kinds()[kind]()
        if target:
            self.note(kind, target, begun)
        return bool(target)

    def note(self, kind: str, target: str, begun: float) -> None:
        """What was done, until now."""
        self.harms.append(Harm(kind, target, begun, time.time()))

    def next_recorded(self) -> str:
        """Has the worker of the next step that ends lost as soon as the result is recorded; noted when it happens."""
        self._recorded_wanted.release()
        return ""

    def heard_end(self, mark: Mark) -> None:
        """A step has said that it ends, and waits for an answer."""
        if self._recorded_wanted.acquire(blocking=False):
            threading.Thread(target=self._lose_recorded, args=(mark, self.worker_of(mark)), daemon=True).start()

    def _lose_recorded(self, mark: Mark, worker: str) -> None:
        begun = time.time()
        while not self._is_recorded(mark):
            if time.time() > begun + _RECORDED_S:
                return
            time.sleep(0.01)
        if self.lose(worker):
            (kind,) = (kind for kind in self.OF_RUNS if kind.endswith("after its record"))
            self.note(kind, worker, begun)

    def _is_recorded(self, mark: Mark) -> bool:
        """Whether the ledger has the end of the attempt that said so; where it is kept is the engine's business."""
        run, _, rest = mark["key"].partition("/")
        step, _, item = rest.partition("/")
        key = StepKey(run=run, step=step, item=int(item)) if item else StepKey(run=run, step=step)
        try:
            return asyncio.run(Bucket(self.bucket).read(names.end(key, mark["attempt"]))) is not None
        except EngineError:
            return False


def send(signal: str, process: str) -> None:
    """Sends it to all processes whose command line holds that."""
    subprocess.run([*_SIGNAL, f"-{signal}", "-f", process], check=True)


def start_again() -> None:
    """Starts what died; a busy machine may take several tries."""
    for left in reversed(range(5)):
        if subprocess.run(_UP, capture_output=True, check=not left).returncode == 0:
            return


def stopped(process: str, seconds: float) -> str:
    """It does nothing for so long."""
    send("STOP", process)
    try:
        time.sleep(seconds)
    finally:
        send("CONT", process)
    return process.strip().rpartition("/")[2]


def store_away() -> str:
    """Nobody reaches the object store for half a minute."""
    send("KILL", _STORE)
    time.sleep(30)
    start_again()
    return _STORE


def store_silent() -> str:
    """The object store takes calls and does not answer, for half a minute."""
    return stopped(_STORE, 30)
