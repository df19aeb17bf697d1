"""Templates of pods: one for each shape of step, shared by all steps of that shape."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from hera.workflows import models as m

from somagent.capsule_compiler.model.quantities import millicores, show_duration, size_bytes
from somagent.capsule_compiler.plan import Node, Plan
from somagent.governance.verdict import STRENGTH
from somagent.operators.script.beside import LAUNCHER, NONE, VARIABLE
from somagent.workflows.engines.argo.emit.passing import as_json, inputs
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.rights import EXECUTOR, EXECUTOR_SECRET
from somagent.workflows.engines.granted import NOTHING, Handed, Use, as_variables, granted
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.engines.remote.begun import WORKFLOW
from somagent.workflows.engines.remote.exits import FOR_GOOD

_REASON = "/dev/termination-log"  # Kubernetes keeps it, and Argo shows it behind the exit code
_WORK, _ANSWERS, _BESIDE, _PLAN = "/somagent", "/somagent/answers", "/somagent/beside", "/somagent-plan"
_LABEL = "somagent.io/"
_WORDS = {
    "step": ("step", "item"),
    "group": ("steps",),
    "open": ("step",),
    "close": ("step",),
    "open-run": ("step", "item"),
    "close-run": ("step", "item", "child"),
    "left": ("path",),
}
_ANSWERED = {"open": ("items",), "left": ("items",), "step": ("seconds",), "open-run": ("seconds", "run")}
_STRENGTH = {str(effect): strength for effect, strength in STRENGTH.items()} | {"depends": len(STRENGTH)}
_INFRASTRUCTURE_TRIES = 5  # pods that were evicted or lost, over what the step's own `retry` allows


class Shape(NamedTuple):
    """What makes two steps need different templates."""

    command: str  # of `somagent-step`
    attempts: int = 1
    backoff_ms: int = 0
    max_backoff_ms: int = 0
    image: str = ""  # in which a script runs; empty: in that of the runner
    memory: int = 0  # bytes that a script may use; 0: not said
    millicores: int = 0
    secrets: tuple[tuple[str, str], ...] = ()  # secret and key
    verdict: str = ""  # the constitution's, as far as it is known before a run; empty: nothing is judged

    @property
    def name(self) -> str:
        """Of the template, the same for the same shape; it becomes a part of the names of pods."""
        return _name(self)


@cache
def _name(shape: Shape) -> str:
    parts = [shape.command]
    if shape.attempts > 1:
        waits = (show_duration(shape.backoff_ms), show_duration(shape.max_backoff_ms))
        parts.append(f"{shape.attempts}x{'-'.join(waits)}")
    parts += [word for word, said in (("image", shape.image), ("secrets", shape.secrets)) if said]
    parts += ["sized"] if shape.memory or shape.millicores else []
    parts += told_apart(shape.verdict)
    own = shape[4:-1]
    parts += [sha256(repr(own).encode()).hexdigest()[:8]] if any(own) else []
    return re.sub("[^-a-z0-9]", "", "-".join(parts).replace(".", "-"))


def told_apart(verdict: str) -> list[str]:
    """What a verdict adds to the name of a template."""
    return [] if verdict in {"", "allow"} else [verdict.replace("_", "-")]


def shape_of_group(nodes: Sequence[Node]) -> Shape:
    """The shape of the pod that works on several steps: what runs decide counts as the strongest verdict."""
    return Shape("group", verdict=max((node.verdict for node in nodes), key=_STRENGTH.__getitem__))


def shape_of(plan: Plan, node: Node, command: str = "step", handed: Handed = NOTHING) -> Shape:
    """The shape of the pods that work on a step; `handed` are secrets that the run is given as inputs."""
    shape = Shape(command, verdict=node.verdict)
    if node.retry.attempts > 1:
        retry = node.retry
        shape = shape._replace(
            attempts=retry.attempts, backoff_ms=retry.backoff_ms, max_backoff_ms=retry.max_backoff_ms
        )
    arguments = node.arguments.value
    if node.operator == "script" and isinstance(arguments, dict):
        limits = arguments.get("resources") or {}
        shape = shape._replace(
            image=arguments.get("image") or "",
            memory=size_bytes(limits["memory"]) if "memory" in limits else 0,
            millicores=millicores(limits["cpu"]) if "cpu" in limits else 0,
        )
    if command != "step" or node.capsule:  # secrets are for steps that do something themselves
        return shape
    return shape._replace(secrets=tuple(sorted(granted(plan, node, handed))))


def pod(shape: Shape, place: Place, *, ends_run: bool = False, begins: bool = False) -> m.Template:
    """The template; its words are those of the command. With `ends_run` the run's last step ends the run, too.

    With `begins` the Workflow begins the run itself, and the pod works for no other one's, as at its exit it might.
    """
    words = _WORDS.get(shape.command, ())
    of_step = ("at",) if words else ()
    said = [shape.command, *(f"{{{{inputs.parameters.{word}}}}}" for word in words)]
    said = ["--ends-run", *said] if ends_run and words else said
    container = _runner(place, said, run="{{inputs.parameters.run}}")
    container.resources = _resources(shape, place)
    beside_it = m.EnvVar(name=VARIABLE, value=_BESIDE if shape.image else NONE)
    own = [m.EnvVar(name=WORKFLOW, value="{{workflow.uid}}")] if begins else []
    container.env = [*(container.env or []), *own, beside_it, *_secrets(shape.secrets, place)]
    return m.Template(
        name=shape.name,
        inputs=inputs(*words, "run", *of_step),
        outputs=m.Outputs(parameters=[_answer(name) for name in _answers(shape.command)]),
        metadata=_metadata(words, shape.verdict),
        retry_strategy=_retry(shape),
        container=container,
        sidecars=[_beside(shape)] if shape.image else None,
    )


def _beside(shape: Shape) -> m.UserContainer:
    """The container of a script's own image: it is told by the runner what to run, and ends with it."""
    if "{{" in shape.image:
        raise EngineError(f"the image `{shape.image}` holds `{{{{`, which Argo takes for a template of its own")
    return m.UserContainer(
        name="script",
        image=shape.image,
        image_pull_policy="IfNotPresent",
        command=["/bin/sh", "-c", LAUNCHER.replace("FOLDER", _BESIDE)],
        mirror_volume_mounts=True,
        security_context=_restricted(),
        resources=_limits(shape.memory, shape.millicores),
    )


def _resources(shape: Shape, place: Place) -> m.ResourceRequirements:
    """The runner's own, and a script's with it where it runs beside the runner in one container."""
    if shape.image or not (shape.memory or shape.millicores):
        return m.ResourceRequirements(requests=_quantities(place.memory, place.millicores))
    limits = _limits(
        shape.memory and shape.memory + place.memory, shape.millicores and shape.millicores + place.millicores
    )
    requests: dict[str, Any] = {**_quantities(place.memory, place.millicores), **(limits.limits or {})}
    return m.ResourceRequirements(requests=requests, limits=limits.limits)


def _limits(memory: int, cores: int) -> m.ResourceRequirements:
    """What is asked for is what may be used; with nothing said, nothing is asked for."""
    quantities = _quantities(memory, cores)
    return m.ResourceRequirements(requests=quantities or None, limits=quantities or None)


def _quantities(memory: int, cores: int) -> dict[str, Any]:
    """In the spelling of Kubernetes."""
    found: dict[str, Any] = {"memory": f"{-(-memory // (1 << 20))}Mi"} if memory else {}
    return found | ({"cpu": f"{cores}m"} if cores else {})


def _secrets(uses: Sequence[Use], place: Place) -> list[m.EnvVar]:
    found = as_variables(uses, {place.runs_secret, EXECUTOR_SECRET})
    return [_secret(name, use) for name, use in found.items()]


def _secret(name: str, use: Use) -> m.EnvVar:
    """One that is not in the namespace fails the step with words; the pod would wait for it for ever."""
    selector = m.SecretKeySelector(name=use[0], key=use[1], optional=True)
    return m.EnvVar(name=name, value_from=m.EnvVarSource(secret_key_ref=selector))


def _metadata(words: Sequence[str], verdict: str) -> m.Metadata:
    """What people find on the pod, and by labels find it by. A label holds one step, and no underscore at its end."""
    labels = {"run": "{{workflow.name}}", "verdict": verdict}
    labels |= {"step": "{{=sprig.trimAll('_', inputs.parameters.step)}}"} if "step" in words else {}
    said = {f"{_LABEL}run": "run", f"{_LABEL}source": "at"} if words else {f"{_LABEL}run": "run"}
    said |= {f"{_LABEL}{word}": word for word in words}
    return m.Metadata(
        annotations={key: f"{{{{inputs.parameters.{name}}}}}" for key, name in said.items()},
        labels={f"{_LABEL}{key}": value for key, value in labels.items() if value},
    )


def begin_pod(place: Place, kept: Sequence[str]) -> m.Template:
    """Writes the run into the ledger, from the plan in these ConfigMaps and the arguments of the Workflow itself.

    These it reads by the API, so it is the one pod with a token; Argo never renders them.
    """
    sources = [m.VolumeProjection(config_map=m.ConfigMapProjection(name=name)) for name in kept]
    container = _runner(place, ["begin", "--plan", _PLAN], run="{{workflow.name}}")
    container.resources = _resources(Shape("begin"), place)
    container.env = [*(container.env or []), m.EnvVar(name="SOMAGENT_NAMESPACE", value="{{workflow.namespace}}")]
    container.volume_mounts = [
        *(container.volume_mounts or []),
        m.VolumeMount(name="plan", mount_path=_PLAN, read_only=True),
    ]
    return m.Template(
        name="begin",
        outputs=m.Outputs(parameters=[_answer(name) for name in _answers("begin")]),
        retry_strategy=_retry(Shape("begin")),
        automount_service_account_token=True,
        service_account_name=place.begin_account,
        container=container,
        volumes=[m.Volume(name="plan", projected=m.ProjectedVolumeSource(sources=sources))],
    )


def _runner(place: Place, words: Sequence[str], *, run: str) -> m.Container:
    return m.Container(
        image=place.image,
        image_pull_policy="IfNotPresent",
        command=["somagent-step"],
        args=["--answers", _ANSWERS, "--reason", _REASON, "--work", _WORK, *words],
        env=[m.EnvVar(name="SOMAGENT_RUNS", value=place.runs), m.EnvVar(name="SOMAGENT_RUN", value=run)],
        env_from=[m.EnvFromSource(secret_ref=m.SecretEnvSource(name=place.runs_secret))] if place.runs_secret else None,
        security_context=_restricted(),
        volume_mounts=[
            m.VolumeMount(name="somagent", mount_path=_WORK),
            m.VolumeMount(name="tmp", mount_path="/tmp"),  # noqa: S108 - the pod's own, and empty
        ],
    )


def _restricted() -> m.SecurityContext:
    return m.SecurityContext(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=m.Capabilities(drop=["ALL"]),
    )


def pod_settings() -> dict[str, Any]:
    """Of the workflow: what all pods have. Argo's own containers in them are held to the same."""
    own = as_json(_restricted())
    patch = {
        "containers": [{"name": "wait", "securityContext": own}],
        "initContainers": [{"name": "init", "securityContext": own}],
    }
    return {
        "pod_spec_patch": json.dumps(patch, separators=(", ", ": ")),
        "automount_service_account_token": False,
        "executor": m.ExecutorConfig(service_account_name=EXECUTOR),
        "security_context": m.PodSecurityContext(
            run_as_non_root=True,
            run_as_user=65532,
            run_as_group=65532,
            fs_group=65532,
            seccomp_profile=m.SeccompProfile(type="RuntimeDefault"),
        ),
        "volumes": [
            m.Volume(name="somagent", empty_dir=m.EmptyDirVolumeSource()),
            m.Volume(name="tmp", empty_dir=m.EmptyDirVolumeSource()),
        ],
    }


def _answers(command: str) -> list[str]:
    return ["phase", "summary", *_ANSWERED.get(command, ())]


def _answer(name: str) -> m.Parameter:
    default = {"items": "[]"}.get(name, "")
    return m.Parameter(name=name, value_from=m.ValueFrom(path=f"{_ANSWERS}/{name}", default=default))


def _retry(shape: Shape) -> m.RetryStrategy:
    """The runner decides whether there is another attempt, and says so by its exit code; lost pods are replaced."""
    for_good = ", ".join(f"'{code:d}'" for code in FOR_GOOD)
    again = f"lastRetry.status == 'Error' || !(lastRetry.exitCode in [{for_good}])"
    backoff = None
    if shape.backoff_ms:
        backoff = m.Backoff(
            duration=f"{shape.backoff_ms / 1000:g}s", factor=m.IntOrString("2"), cap=f"{shape.max_backoff_ms / 1000:g}s"
        )
    return m.RetryStrategy(
        limit=m.IntOrString(str(shape.attempts - 1 + _INFRASTRUCTURE_TRIES)),
        retry_policy="Always",
        expression=again,
        backoff=backoff,
    )
