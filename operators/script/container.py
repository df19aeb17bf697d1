"""One script in a container of its own: a client of podman or docker, whose container ends with it.

The container has the step's folder, at the same path, read-only copies of its artifacts and included files, its limits
and nothing else: no network, no capabilities, a root file system that cannot be written, and the account of whoever
runs SomaGent. Variables, the values of secrets among them, go in through standard input, where neither the list of
processes nor the engine's records show them.

Containers carry labels with the step's key and the data directory. By these they are found when SomaGent was killed.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from msgspec import Struct
from msgspec.structs import replace

from somagent.governance.canonical import digest_of
from somagent.operators.operator import Step
from somagent.operators.runner.records import StepKey
from somagent.operators.runner.threads import in_thread
from somagent.operators.script.environment import Places
from somagent.operators.script.isolation import Isolation
from somagent.operators.script.limits import Limits
from somagent.operators.script.process import Ended, run_process
from somagent.operators.script.processes import Family

_KEY, _PLACE = "io.somagent.key", "io.somagent.place"
_BEGIN = 'eval "$(cat)"; exec "$@" < /dev/null'
_BLOCK = 512  # of `ulimit -f` in POSIX
_PATIENCE_S = 10.0
_GRACE_S = 2  # between TERM and KILL


class Container(Struct, frozen=True):
    """The container of one attempt."""

    isolation: Isolation
    name: str

    @classmethod
    def of(cls, isolation: Isolation, step: Step) -> Container:
        """Its name is the attempt's: that of another attempt, or in another data directory, is another one."""
        place = f"{step.folder}\0{step.key}\0{step.attempt}"
        return cls(isolation, "somagent-" + digest_of(place.encode()).rpartition(":")[2][:24])

    def command(
        self,
        argv: Sequence[str],
        *,
        step: Step,
        image: str,
        work: Path,
        shown: Sequence[Path],
        limits: Limits,
    ) -> list[str]:
        """What starts the container and stays with it; see `opening` for its standard input."""
        options = [
            "--interactive",
            f"--name={self.name}",
            f"--label={_KEY}={step.key}",
            f"--label={_PLACE}={step.folder.parent}",
            f"--network={self.isolation.network}",
            "--read-only",
            "--tmpfs=/tmp",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--security-opt=label=disable",
            f"--user={os.getuid()}:{os.getgid()}",
            f"--mount=type=bind,src={step.folder},dst={step.folder}",
            *(f"--mount=type=bind,src={path},dst={path},{self._read_only}" for path in shown),
            f"--workdir={work}",
            *_limits(limits),
        ]
        if self.isolation.podman and os.getuid() != 0:
            options.append("--userns=keep-id")
        return [self.isolation.engine, "run", *options, "--entrypoint=/bin/sh", image, "-c", _BEGIN, "sh", *argv]

    async def used_too_much_memory(self) -> bool:
        """Whether the kernel ended one of its processes for that; asked when it has ended."""
        said = await _told(self.isolation, "inspect", "--format={{.State.OOMKilled}}", self.name)
        return said.strip() == "true"

    async def stop(self) -> None:
        """TERM to its first process, 2 s, KILL; when this is cancelled, KILL at once."""
        try:
            await _told(self.isolation, "stop", f"--time={_GRACE_S}", self.name)
        except asyncio.CancelledError:
            self.remove()
            raise

    def remove(self) -> None:
        """Ends what is left of it, and takes its traces out of the engine."""
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [self.isolation.engine, "rm", "--force", self.name],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_PATIENCE_S,
                check=False,
            )

    @property
    def _read_only(self) -> str:
        return "ro=true" if self.isolation.podman else "readonly"


def opening(variables: Mapping[str, str], limits: Limits) -> bytes:
    """What the container's shell is told first: the limit of a file's size, and its environment; PATH is the image's.

    (With `--ulimit` podman 4 sets limits that nobody asked for as well.)
    """
    lines = [f"export {name}={shlex.quote(text)}\n" for name, text in variables.items() if name != "PATH"]
    if limits.file_size is not None:
        lines.append(f"ulimit -f {limits.file_size // _BLOCK}\n")
    return "".join(lines).encode(errors="surrogateescape")


async def end_containers(isolation: Isolation, key: StepKey, workspace: Path) -> bool:
    """Ends the containers of a step's attempts; True when there were any that still ran."""
    labels = [f"--filter=label={_KEY}={key}", f"--filter=label={_PLACE}={workspace}"]
    running = (await _told(isolation, "ps", "--quiet", *labels)).split()
    for found in (await _told(isolation, "ps", "--all", "--quiet", *labels)).split():
        await _told(isolation, "rm", "--force", found)
    return bool(running)


async def run_contained(
    argv: Sequence[str],
    *,
    container: Container,
    step: Step,
    image: str,
    places: Places,
    shown: Sequence[Path],
    variables: Mapping[str, str],
    secrets: Sequence[str],
    limits: Limits,
) -> Ended:
    """Runs the program in the container until it ends, as `run_process` does on this machine."""
    command = container.command(argv, step=step, image=image, work=places.work, shown=shown, limits=limits)
    try:
        with read_once(opening(variables, limits)) as stdin:
            ended = await run_process(
                command,
                cwd=places.work,
                env=_environment(),
                family=partial(Family, key=f"client of {step.key}", workspace=step.folder),
                log=step.log,
                secrets=secrets,
                stdin=stdin.fileno(),
                stop=container.stop,
            )
        killed = ended.code in {-signal.SIGKILL, 128 + signal.SIGKILL} and ended.memory_ran_out
        if limits.memory is not None and (killed or (ended.code != 0 and await container.used_too_much_memory())):
            return replace(ended, beyond=f"used more than {limits.said.memory} of memory")
        return ended
    finally:
        await in_thread(container.remove)


def _environment() -> dict[str, str]:
    """What the engine is told of this process's environment: none of our own variables, which may be secrets."""
    return {name: text for name, text in os.environ.items() if not name.startswith("SOMAGENT_")}


def read_once(content: bytes) -> IO[bytes]:
    """A file that no folder has."""
    if sys.platform == "linux":
        file: IO[bytes] = open(os.memfd_create("variables"), "w+b")  # noqa: PTH123, SIM115 - by descriptor
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - handed on
    file.write(content)
    file.seek(0)
    return file


def _limits(limits: Limits) -> list[str]:
    options = []
    if limits.memory is not None:
        options += [f"--memory={limits.memory}", f"--memory-swap={limits.memory}"]
    if limits.millicores is not None:
        options.append(f"--cpus={limits.millicores / 1000:g}")
    if limits.processes is not None:
        options.append(f"--pids-limit={limits.processes}")
    return options


async def _told(isolation: Isolation, *arguments: str) -> str:
    """What the engine answers; nothing when it fails, or takes too long."""
    process = await asyncio.create_subprocess_exec(
        isolation.engine,
        *arguments,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            said, _ = await process.communicate()
    except TimeoutError:
        said = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode(errors="replace")
