"""One attempt of a script step, from values to outputs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from somagent.capsule_compiler.plan import IncludedFile, Plan
from somagent.operators.operator import Answer, Step, StepFailure
from somagent.operators.runner.artifacts import held_artifacts
from somagent.operators.runner.contents import ArtifactRefused, ContentError
from somagent.operators.runner.masking import Mask
from somagent.operators.runner.records import Artifact, Secret, StepKey
from somagent.operators.runner.threads import in_thread
from somagent.operators.script import environment
from somagent.operators.script.answer import LIMIT_BYTES, AnswerRefused, Written, read_answer, value_of
from somagent.operators.script.args import ENV_NAME, ScriptArgs
from somagent.operators.script.beside import beside, run_beside
from somagent.operators.script.container import Container, end_containers, run_contained
from somagent.operators.script.failures import failure_of
from somagent.operators.script.hiding import hide_environment
from somagent.operators.script.isolation import NO_IMAGE, VARIABLE, Isolation, IsolationRefused, isolation
from somagent.operators.script.limits import Limits
from somagent.operators.script.process import run_process
from somagent.operators.script.processes import Family

_LEAKS = "it holds the value of a secret that the step was granted"


async def run(args: ScriptArgs, step: Step) -> Answer:
    """Runs the script and reads its answer; raises `StepFailure`."""
    workspace = step.folder.parent
    next_door = beside() if args.image else None
    where = None if next_door is not None else _isolation(args)
    if step.attempt > 1 and await end_attempts(step.key, workspace):
        step.log.line("[somagent] processes that an earlier attempt left running were ended")
    if args.image and where is None and next_door is None:
        step.log.line(
            f"[somagent] image `{args.image}` is not used: the script runs on this machine"
            f" ({VARIABLE}=container runs it in a container)"
        )
    if not hide_environment():
        step.log.line("[somagent] on this system a script can read the environment that SomaGent was started with")
    limits = _limits(args, step)
    places = environment.Places.make(step.own_folder())
    include = await _include(args, step)
    variables = environment.environment(step, places, include)
    secrets = {
        name: await in_thread(step.vault.value, value) for name, value in args.env.items() if isinstance(value, Secret)
    }
    values, only_in_file, copies = await _values(args, step, places)
    shown = [*copies, *([include] if include is not None else [])]
    variables |= values | secrets
    mask = Mask(secrets.values())
    if next_door is not None:
        ended = await run_beside(
            _contained_command(args, step, places),
            folder=next_door,
            step=step,
            places=places,
            variables=variables,
            secrets=[*secrets.values()],
            limits=limits,
        )
    elif where is not None:
        ended = await run_contained(
            _contained_command(args, step, places),
            container=Container.of(where, step),
            step=step,
            image=args.image,
            places=places,
            shown=shown,
            variables=variables,
            secrets=[*secrets.values()],
            limits=limits,
        )
    else:
        ended = await run_process(
            _command(args, step, places, variables),
            cwd=places.work,
            env=variables,
            family=partial(Family, key=str(step.key), workspace=step.folder),  # not another attempt's, of a new owner
            log=step.log,
            secrets=[*secrets.values()],
            limits=limits,
        )
    if ended.left_behind:
        step.log.line("[somagent] processes that the script left in the background were ended")
    if ended.code != 0 or ended.beyond:
        raise failure_of(ended, limits, only_in_file)
    return Answer(await _outputs(step, places, mask))


def _limits(args: ScriptArgs, step: Step) -> Limits:
    if not args.resources:
        return Limits()
    if sys.platform != "linux":
        step.log.line("[somagent] on this system nothing holds a script to its `resources`; Linux does")
        return Limits()
    return Limits.of(args.resources)


def _isolation(args: ScriptArgs) -> Isolation | None:
    try:
        where = isolation()
    except IsolationRefused as refused:
        raise StepFailure("error", str(refused)) from None
    if where is not None and not args.image:
        raise StepFailure("error", NO_IMAGE)
    return where


async def end_attempts(key: StepKey, workspace: Path) -> bool:
    """Ends what earlier attempts of a step left running; True when there was something."""
    with suppress(IsolationRefused):
        where = isolation()
        if where is not None and await end_containers(where, key, workspace):
            return True
    return await Family(None, str(key), workspace).end()


async def _include(args: ScriptArgs, step: Step) -> Path | None:
    files = included_files(step.plan, args.include)
    if not files:
        return None
    artifact = await in_thread(step.contents.put_manifest, files, "include")
    return await in_thread(step.contents.shared_copy, artifact)


def included_files(plan: Plan, include: list[str]) -> list[IncludedFile]:
    """The plan's files that are one of the paths, or below one."""
    wanted = [re.sub(r"^(\./)+|/+$", "", path) for path in include]
    return [
        file
        for file in plan.files
        if any(path in {".", file.path} or file.path.startswith(f"{path}/") for path in wanted)
    ]


async def _values(
    args: ScriptArgs, step: Step, places: environment.Places
) -> tuple[dict[str, str], list[str], list[Path]]:
    """The variables; for each value that cannot be one, a sentence without a full stop that says so; and the copies."""
    given = {name: value for name, value in args.env.items() if not isinstance(value, Secret)}
    for name in args.env:
        if not re.fullmatch(ENV_NAME, name):
            raise StepFailure("error", f"`env.{name}`: a script cannot be given a variable of this name")
    held = sorted(held_artifacts(given), key=lambda artifact: artifact.artifact)
    try:
        artifacts = {artifact: await in_thread(step.contents.shared_copy, artifact) for artifact in held}
    except (ContentError, ArtifactRefused) as fault:
        raise StepFailure("error", str(fault)) from None
    values = environment.with_paths(given, artifacts)
    places.input.write_bytes(msgspec.json.encode(values))
    variables, unfit = environment.as_variables(values)
    only_in_file = [f"env `{name}` is only in the file $SOMAGENT_INPUT: {reason}" for name, reason in unfit.items()]
    for sentence in only_in_file:
        step.log.line(f"[somagent] {sentence}")
    return variables, only_in_file, [*artifacts.values()]


def _contained_command(args: ScriptArgs, step: Step, places: environment.Places) -> list[str]:
    text = places.script / f"{step.node.id}.{'py' if args.shell == 'python' else 'sh'}"
    text.write_text(args.run, encoding="utf-8")
    if args.shell == "python":
        return ["python3", "-su", f"../script/{text.name}"]
    return ["bash", "--noprofile", "--norc", "-euo", "pipefail", f"../script/{text.name}"]


def _command(args: ScriptArgs, step: Step, places: environment.Places, variables: dict[str, str]) -> list[str]:
    # The path is relative to the working folder, so that the shell's messages begin with a short name.
    if args.shell == "python":
        text = places.script / f"{step.node.id}.py"
        text.write_text(args.run, encoding="utf-8")
        return [sys.executable or "python3", "-sPu", f"../script/{text.name}"]
    text = places.script / f"{step.node.id}.sh"
    text.write_text(args.run, encoding="utf-8")
    bash = shutil.which("bash", path=variables["PATH"])
    if bash is None:
        raise StepFailure("error", f"there is no `bash` on PATH ({variables['PATH']})")
    return [bash, "--noprofile", "--norc", "-euo", "pipefail", f"../script/{text.name}"]


async def _outputs(step: Step, places: environment.Places, mask: Mask) -> dict[str, Any]:
    """What the script wrote and left, as far as it is declared or not artifacts; raises `invalid_output`."""
    faults: list[str] = []
    try:
        written = read_answer(places.output)
    except AnswerRefused as fault:  # it shows parts of what was written
        if mask and _is_plain(places.output) and mask.finds(places.output.read_bytes()[:LIMIT_BYTES]):
            raise StepFailure("denied", f"$SOMAGENT_OUTPUT: {_LEAKS}; nothing of this attempt was recorded") from None
        raise StepFailure("invalid_output", str(fault)) from None
    _refuse_secrets(written, mask)
    outputs: dict[str, Any] = {}
    for name, schema in step.node.outputs.items():
        try:
            if schema.get("type") == "artifact":
                told = written.pop(name, None)
                outputs[name] = await _artifact(name, schema.get("path", ""), told, step, places, mask=mask)
            elif name in written:
                outputs[name] = value_of(name, written.pop(name), _resolved(schema, step.plan))
        except (AnswerRefused, ArtifactRefused) as fault:
            faults.append(str(fault))
    if faults:
        raise StepFailure("invalid_output", mask.whole("\n".join(faults)))
    return outputs | {name: text.text for name, text in written.items()}


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _refuse_secrets(written: Mapping[str, Written], mask: Mask) -> None:
    for name, one in written.items():
        if mask.finds(one.text.encode(errors="surrogatepass")) or mask.finds(name.encode(errors="surrogatepass")):
            raise StepFailure(
                "denied", f"$SOMAGENT_OUTPUT line {one.line}: {_LEAKS}; nothing of this attempt was recorded"
            )


def _holds_secret(path: Path, mask: Mask) -> bool:
    """Whether a file, or a file below a folder, has the value of a secret, or is named by one."""
    for file in [path] if not path.is_dir() else path.rglob("*"):
        if mask.finds(os.fsencode(file.name)) or (file.is_symlink() and mask.finds(os.fsencode(file.readlink()))):
            return True
        if file.is_file() and not file.is_symlink() and mask.finds(file.read_bytes()):
            return True
    return False


async def _artifact(
    name: str, path: str, written: Written | None, step: Step, places: environment.Places, *, mask: Mask
) -> Artifact:
    """The file or folder of an artifact output: at the declared path, or at the path that the script wrote."""
    if written is not None:
        if path:
            raise AnswerRefused(
                f"$SOMAGENT_OUTPUT line {written.line}: output `{name}` is the artifact at `{path}`, as declared; do"
                " not write it"
            )
        path = written.text
    if not path:
        raise AnswerRefused(f"output `{name}`: declare `path:`, or write `{name}=PATH` to $SOMAGENT_OUTPUT")
    found = inside(places.work, path)
    if found is None:
        raise ArtifactRefused(f"output `{name}`: {_outside(places.work, path)}")
    if not found.exists():
        raise ArtifactRefused(f"output `{name}`: there is no `{path}` in the working folder")
    if bool(mask) and await in_thread(_holds_secret, found, mask):
        raise StepFailure("denied", f"output `{name}`: `{path}`: {_LEAKS}; nothing of this attempt was recorded")
    called = name if found == places.work.resolve() else found.name
    return await in_thread(step.contents.put_path, found, called)


def inside(folder: Path, path: str) -> Path | None:
    """The place that the path leads to when all links are followed, if that is in the folder or is the folder."""
    if "\0" in path:
        return None
    root = os.path.realpath(folder)
    found = Path(os.path.realpath(f"{root}/{path}"))  # `Path.resolve` raises when links lead in a circle
    return found if not path.startswith("/") and found.is_relative_to(root) else None


def _outside(folder: Path, path: str) -> str:
    """Why `inside` knows no place: the path itself leads out, or the first link on its way that does."""
    parts = path.split("/")
    for number in range(1, len(parts) + 1):
        way = "/".join(parts[:number])
        if inside(folder, way) is None:
            here = folder / way
            if not here.is_symlink() or path.startswith("/"):
                break
            return f"`{path}` leads out of the working folder: `{way}` is a symbolic link to `{here.readlink()}`"
    return f"`{path}` is not inside the working folder"


def _resolved(schema: dict[str, Any], plan: Plan) -> dict[str, Any]:
    while "$ref" in schema:
        schema = plan.types[schema["$ref"].removeprefix("#/types/")]
    return schema
