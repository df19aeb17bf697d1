"""One script in a container beside this one, in the same pod: of an image that need have nothing but /bin/sh.

The two share the step's folder at the same path, and a folder of pipes. The other container was started with LAUNCHER,
which waits to be told what to run: the commands, with the variables and the values of secrets in them, go through a
pipe and are on no disk. When the script has ended, what it left behind ends as well, and then its exit code is told.
That a container never begins, or ends as a whole, is noticed: nobody waits for it until the step's time is over.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
BEGINS_WITHIN = "SOMAGENT_BESIDE_SECONDS"

# Kubernetes starts the containers of a pod one after the other, and pulls the image of each before it starts it.
_BEGINS_WITHIN_S = 600
_LAST_WORDS_S = 1.0

# `kill -1` reaches all processes of the container but its first one and the shell that asks for it. While this shell
# lives, it holds `life` open, and nothing that it starts does: a first line there says that it has come, the second one
# is the script's exit code, and an end without that says that the container ended.
LAUNCHER = """\
until [ -p FOLDER/begin ]; do sleep 0.1 2> /dev/null || sleep 1; done
exec 9> FOLDER/life
echo here >&9
( exec 9>&-; read -r _ < FOLDER/stop; kill -9 -1 ) &
/bin/sh -s < FOLDER/begin 9>&-
code=$?
kill -9 -1 2> /dev/null
( : > FOLDER/out ) 9>&- & ( : > FOLDER/err ) 9>&- &
echo "$code" >&9
"""
_CLIENT = 'cat "$1/out" & cat "$1/err" >&2 & cat > "$1/begin"; wait'
_PIPES = ("stop", "out", "err", "life", "begin")  # the last one is looked for


def beside(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of pipes, where there is such a container; raises `StepFailure` in a pod that has none."""
    named = environment.get(VARIABLE)
    if named == NONE:
        raise StepFailure("error", "the script names an image, and this pod has no container of it")
    return Path(named) if named else None


def runs_once(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether there is such a container: it runs one script, and another attempt needs another pod."""
    return environment.get(VARIABLE, NONE) != NONE


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
    """Runs the program there until it ends, as `run_process` does here.

    Raises `StepFailure` when the container does not begin in time, or ends before the program has.
    """
    program = " ".join(map(shlex.quote, argv))
    lines = opening(variables, limits).decode(errors="surrogateescape")
    told = f"{lines}cd {shlex.quote(str(places.work))} && exec {program} < /dev/null > {folder}/out 2> {folder}/err\n"

    async def stop() -> None:
        await in_thread(_stop, folder)

    with _pipes(folder) as life, read_once(told.encode(errors="surrogateescape")) as stdin:
        client = asyncio.ensure_future(
            run_process(
                ["/bin/sh", "-c", _CLIENT, "sh", str(folder)],
                cwd=places.work,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
                family=partial(Family, key=f"client of {step.key}", workspace=step.folder),
                log=step.log,
                secrets=secrets,
                stdin=stdin.fileno(),
                stop=stop,
            )
        )
        other = asyncio.ensure_future(_exit_code(life, limits))
        try:
            await asyncio.wait((client, other), return_when=asyncio.FIRST_EXCEPTION)
            if not client.done():  # the other one has failed, and its last words are still in the pipes
                await asyncio.wait((client,), timeout=_LAST_WORDS_S)
            if not other.done():
                client.result()  # raises what the client has failed with
            code, ended = other.result(), client.result()
        finally:
            for one in (other, client):
                one.cancel()
            await asyncio.gather(other, client, return_exceptions=True)
    beyond = f"used more than {limits.said.memory} of memory" if _ran_out(code, limits) else ""
    return replace(ended, code=code, beyond=beyond)


def _ran_out(code: int, limits: Limits) -> bool:
    return limits.memory is not None and code == 128 + signal.SIGKILL


async def _exit_code(life: int, limits: Limits) -> int:
    """What the other container says of the script's end; raises `StepFailure` when it can say nothing any more."""
    within_s = float(os.environ.get(BEGINS_WITHIN, _BEGINS_WITHIN_S))
    try:
        async with asyncio.timeout(within_s):
            said = await _read(life)
    except TimeoutError:
        raise StepFailure(
            "error",
            f"the container of the script's image did not begin within {within_s:g} s; "
            "the image must be there by then, and needs /bin/sh",
        ) from None
    while said.count(b"\n") < 2 and (more := await _read(life)):
        said += more
    _, _, code = said.decode().strip().partition("\n")
    if code:
        return int(code)
    ended = "the container of the script's image ended before the script had"
    if limits.memory is not None:
        raise StepFailure("resources", f"{ended}; it may use {limits.said.memory} of memory, in all")
    raise StepFailure("error", ended)


async def _read(pipe: int) -> bytes:
    """What comes next; nothing when whoever wrote to it is gone."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(pipe)
    return os.read(pipe, 4096)


@contextmanager
def _pipes(folder: Path) -> Iterator[int]:
    """Makes them; `life`, to be read from, is open before the other container looks."""
    folder.mkdir(exist_ok=True)
    for name in _PIPES[:-1]:
        os.mkfifo(folder / name)
    life = os.open(folder / "life", os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.mkfifo(folder / _PIPES[-1])
        yield life
    finally:
        os.close(life)


def _stop(folder: Path) -> None:
    """Ends all that is at work there; nobody may be there to hear it."""
    try:
        pipe = os.open(folder / "stop", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    os.write(pipe, b"\n")
    os.close(pipe)
