"""What steps at work print in their pods, through the API of the cluster."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.argo.cluster import Cluster, ClusterUnreachable, NotThere
from somagent.workflows.engines.objects.driver import Output
from somagent.workflows.engines.protocol import EngineError

_MAIN = "main"  # the container of the runner; a script in an image of its own prints through it
_VALUE = rb'(?:"(?:[^"\\\n]|\\.)*"|[^"\s]\S*)'
_OF_ARGO = re.compile(rb"time=\S+ level=[A-Z]+ msg=" + _VALUE + rb"(?: \w+=" + _VALUE + rb")*? argo=true[^\n]*\n")
_EXIT = re.compile(rb"Error: exit status \d+\n\Z")
_AGAIN_S = 2.0  # until a cluster that does not answer is asked again


async def outputs(cluster: Cluster, run_id: str) -> AsyncIterator[Output]:
    """From each pod of a single step that is seen at work, until this is left; raises what a cluster refuses.

    In a pod that several steps share nothing tells whose a line is. A pod whose log is cut off is left to the records.
    """
    told: asyncio.Queue[Output | EngineError] = asyncio.Queue()
    readers = dict[str, asyncio.Task[None]]()
    watcher = asyncio.create_task(_watch(cluster, run_id, told, readers))
    try:
        while True:
            output = await told.get()
            if isinstance(output, EngineError):
                raise output
            yield output
    finally:
        tasks = [watcher, *readers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _watch(
    cluster: Cluster,
    run_id: str,
    told: asyncio.Queue[Output | EngineError],
    readers: dict[str, asyncio.Task[None]],
) -> None:
    while True:
        try:
            async for pods in cluster.pods(run_id):
                for name, pod in pods.items():
                    began, key = _began(pod), _key_of(pod)
                    if name not in readers and began is not None and key is not None:
                        readers[name] = asyncio.create_task(_read(cluster, name, key, began, told))
        except ClusterUnreachable:
            await asyncio.sleep(_AGAIN_S)
        except EngineError as error:
            told.put_nowait(error)
            return


async def _read(
    cluster: Cluster, pod: str, key: StepKey, began: datetime, told: asyncio.Queue[Output | EngineError]
) -> None:
    printed = Printed()
    try:
        async for content in cluster.log(pod, _MAIN):
            told.put_nowait(Output(key, began, printed.of_step(content)))
    except (ClusterUnreachable, NotThere):
        return
    except EngineError as error:
        told.put_nowait(error)


class Printed:
    """What a container prints, without what Argo's own program in it adds: its log, and how the runner exited."""

    def __init__(self) -> None:
        self._rest = b""

    def of_step(self, content: bytes) -> bytes:
        """Whole lines, but for one that Argo's follow on; the last line may be Argo's, until another one comes."""
        lines, newline, self._rest = (self._rest + content).rpartition(b"\n")
        text = _OF_ARGO.sub(b"", lines + newline)
        if said := _EXIT.search(text):
            text, self._rest = text[: said.start()], said[0] + self._rest
        return text


def _began(pod: Mapping[str, Any]) -> datetime | None:
    """When the runner began that is at work in the pod."""
    for one in pod["status"].get("containerStatuses", ()):
        began = one.get("state", {}).get("running", {}).get("startedAt")
        if one["name"] == _MAIN and began:
            return datetime.fromisoformat(began)
    return None


def _key_of(pod: Mapping[str, Any]) -> StepKey | None:
    """The step that the pod works on; None of one that does something else."""
    said = {key.removeprefix("somagent.io/"): text for key, text in pod["metadata"].get("annotations", {}).items()}
    if not {"run", "step"} <= said.keys():
        return None
    return StepKey(said["run"], said["step"], int(said.get("item", "-1")))
