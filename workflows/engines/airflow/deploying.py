"""A DAG file put where Airflow looks for it, and seen to be read."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from somagent.operators.runner.folders import make_lasting, sync
from somagent.operators.runner.threads import in_thread
from somagent.workflows.engines.airflow.emit.dag import Emitted
from somagent.workflows.engines.airflow.rest import Refused, Rest
from somagent.workflows.engines.airflow.settings import DAGS
from somagent.workflows.engines.protocol import EngineError, EngineUnreachable

_LOOK_S = 0.5
_PATIENCE_S = 360.0  # by default Airflow looks for new files every five minutes


async def deploy(rest: Rest, emitted: Emitted, folder: Path, *, patience_s: float = _PATIENCE_S) -> None:
    """Returns when Airflow knows the DAG; raises `EngineError` that says why it does not."""
    if await _known(rest, emitted.dag_id):
        return
    path = folder / f"{emitted.dag_id}.py"
    before = await _import_error(rest, path)
    await in_thread(write, emitted, folder)
    if before is not None:  # what it lacked may be there now: with a new time Airflow reads it again soon
        with suppress(OSError):  # another account's
            os.utime(path)
    until = time.monotonic() + patience_s
    while not await _known(rest, emitted.dag_id):
        is_late = time.monotonic() >= until
        error = await _import_error(rest, path)
        if error is not None and (is_late or before is None or error["timestamp"] != before["timestamp"]):
            raise EngineError(f"Airflow cannot import {path}:{_line(error['stack_trace'], path.name)}")
        await _check_processor(rest)
        if is_late:
            raise EngineError(
                f"Airflow has not read {folder / emitted.dag_id}.py for {patience_s:.0f} s; is {folder} the folder"
                f" ({DAGS}) that its DAG processor reads, and how often does it look for new files"
                " ([dag_processor] refresh_interval)?"
            )
        await asyncio.sleep(_LOOK_S)


def write(emitted: Emitted, folder: Path) -> None:
    """Writes both files, each whole or not at all, the DAG file last; what is there already is never changed."""
    try:
        make_lasting(folder)
        for name, content in emitted.files.items():
            path = folder / name
            if path.exists():
                if path.read_bytes() != content:
                    raise EngineError(f"{path} was changed by hand; put it back, or remove it and go on with the run")
                continue
            arriving = folder / f".{name}.{os.getpid()}"  # no DAG file by its name
            arriving.write_bytes(content)
            arriving.chmod(0o644)  # Airflow may be another account
            sync(arriving)
            arriving.rename(path)
        sync(folder)
    except OSError as error:
        raise EngineError(
            f"cannot write {error.filename or folder}: {error.strerror}; {DAGS} names the folder"
        ) from None


async def _known(rest: Rest, dag_id: str) -> bool:
    """Whether Airflow has read the file, and still has it."""
    try:
        dag: dict[str, Any] = await rest.get("dags", dag_id)
    except Refused as refused:
        if refused.status == 404:
            return False
        raise
    return not dag.get("is_stale", False)


async def _import_error(rest: Rest, path: Path) -> Mapping[str, Any] | None:
    """What went wrong when Airflow last read the file; it has another time when that is so again."""
    found = await rest.get("importErrors", filename_pattern=path.name)
    own = (error for error in found["import_errors"] if str(error["filename"]).endswith(path.name))
    return next(own, None)


def _line(trace: str, name: str) -> str:
    """`LINE: what went wrong`, as far as the trace says."""
    lines = [line.strip() for line in trace.strip().splitlines()]
    own = [line for line in lines if name in line and ", line " in line]
    number = own[-1].partition(", line ")[2].partition(",")[0] if own else "1"
    return f"{number}: {lines[-1] if lines else 'no reason was given'}"


async def _check_processor(rest: Rest) -> None:
    health = await rest.get("monitor", "health")
    state = (health.get("dag_processor") or {}).get("status")
    if state != "healthy":
        raise EngineUnreachable(
            "Airflow's DAG processor gives no sign of life, so nothing reads DAG files there; start it: airflow"
            " dag-processor"
        )
