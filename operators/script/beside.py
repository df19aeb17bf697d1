"""One script in a container beside this one, in the same pod: of an image that need have nothing but /bin/sh.

The two share the step's folder at the same path, and a folder of pipes. The other container was started with LAUNCHER,
which waits to be told what to run: the commands, with the variables and the values of secrets in them, go through a
pipe and are on no disk. When the script has ended, what it left behind ends as well, and then its exit code is told.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from somagent.operators.operator import Step, StepFailure
from somagent.operators.runner.threads import in_thread
from somagent.operators.script.container import opening, read_once
from somagent.operators.script.environment import Places
from somagent.operators.script.limits import Limits
from somagent.operators.script.process import Ended, run_process
from somagent.operators.script.processes import Family

VARIABLE, NONE = "SOMAGENT_BESIDE", "none"  # a pod says so that has no such container

# `kill -1` reaches all processes of the container but its first one and the shell that asks for it.
LAUNCHER = """\
until [ -p FOLDER/begin ]; do sleep 0.1 2> /dev/null || sleep 1; done
( read -r _ < FOLDER/stop; kill -9 -1 ) &
/bin/sh -s < FOLDER/begin
code=$?
kill -9 -1 2> /dev/null
( : > FOLDER/out ) & ( : > FOLDER/err ) &
echo "$code" > FOLDER/end
"""
_CLIENT = 'cat "$1/out" & cat "$1/err" >&2 & cat > "$1/begin"; read -r code < "$1/end"; wait; exit "$code"'
_PIPES = ("stop", "out", "err", "end", "begin")  # the last one is looked for


def beside(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of pipes, where there is such a container; raises `StepFailure` in a pod that has none."""
    named = environment.get(VARIABLE)
    if named == NONE:
        raise StepFailure("error", "the script names an image, and this pod has no container of it")
    return Path(named) if named else None


async def run_beside(
    argv: Sequence[str],
    *,
    folder: Path,
    step: Step,
    places: Places,
    variables: Mapping[str, str],
    secrets: Sequence[str],
    limits: Limits,
) -> Ended:
    """Runs the program there until it ends, as `run_process` does here."""
    _make_pipes(folder)
    program = " ".join(map(shlex.quote, argv))
    lines = opening(variables, limits).decode(errors="surrogateescape")
    told = f"{lines}cd {shlex.quote(str(places.work))} && exec {program} < /dev/null > {folder}/out 2> {folder}/err\n"

    async def stop() -> None:
        await in_thread(_stop, folder)

    with read_once(told.encode(errors="surrogateescape")) as stdin:
        ended = await run_process(
            ["/bin/sh", "-c", _CLIENT, "sh", str(folder)],
            cwd=places.work,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            family=partial(Family, key=f"client of {step.key}", workspace=step.folder),
            log=step.log,
            secrets=secrets,
            stdin=stdin.fileno(),
            stop=stop,
        )
    if limits.memory is not None and ended.code == 128 + signal.SIGKILL:
        return replace(ended, beyond=f"used more than {limits.said.memory} of memory")
    return ended


def _make_pipes(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in _PIPES:
        os.mkfifo(folder / name)


def _stop(folder: Path) -> None:
    """Ends all that is at work there; nobody may be there to hear it."""
    try:
        pipe = os.open(folder / "stop", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    os.write(pipe, b"\n")
    os.close(pipe)
