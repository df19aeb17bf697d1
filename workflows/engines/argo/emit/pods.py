"""Templates of pods: one for each shape of step, shared by all steps of that shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from hera.workflows import models as m

from somagent.capsule_compiler.model.quantities import show_duration
from somagent.capsule_compiler.plan import Node
from somagent.workflows.engines.argo.emit.passing import inputs
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.rights import EXECUTOR
from somagent.workflows.engines.remote.exits import Exit

_WORK, _ANSWERS, _PLAN = "/somagent", "/somagent/answers", "/somagent-plan"
_LABEL = "somagent.io/"
_WORDS = {
    "step": ("step", "item"),
    "open": ("step",),
    "close": ("step",),
    "open-run": ("step", "item"),
    "close-run": ("step", "item"),
}
_ANSWERED = {"open": ("items",), "step": ("seconds",), "open-run": ("seconds", "run")}
_INFRASTRUCTURE_TRIES = 5  # pods that were evicted or lost, over what the step's own `retry` allows


class Shape(NamedTuple):
    """What makes two steps need different templates."""

    command: str  # of `somagent-step`
    attempts: int = 1
    backoff_ms: int = 0
    max_backoff_ms: int = 0

    @property
    def name(self) -> str:
        """Of the template, the same for the same shape; it becomes a part of the names of pods."""
        if self.attempts == 1:
            return self.command
        waits = f"{show_duration(self.backoff_ms)}-{show_duration(self.max_backoff_ms)}"
        return re.sub("[^-a-z0-9]", "", f"{self.command}-{self.attempts}x{waits}".replace(".", "-"))


def shape_of(node: Node, command: str = "step") -> Shape:
    """The shape of the pods that work on a step."""
    retry = node.retry
    if retry.attempts == 1:
        return Shape(command)
    return Shape(command, retry.attempts, retry.backoff_ms, retry.max_backoff_ms)


def pod(shape: Shape, place: Place) -> m.Template:
    """The template; its words are those of the command."""
    words = _WORDS.get(shape.command, ())
    of_step = ("at",) if words else ()
    return m.Template(
        name=shape.name,
        inputs=inputs(*words, "run", *of_step),
        outputs=m.Outputs(parameters=[_answer(name) for name in _answers(shape.command)]),
        metadata=_metadata(words),
        retry_strategy=_retry(shape),
        container=_runner(
            place,
            [shape.command, *(f"{{{{inputs.parameters.{word}}}}}" for word in words)],
            run="{{inputs.parameters.run}}",
        ),
    )


def _metadata(words: Sequence[str]) -> m.Metadata:
    """What people find on the pod."""
    said = {f"{_LABEL}run": "run", f"{_LABEL}source": "at"} if words else {f"{_LABEL}run": "run"}
    said |= {f"{_LABEL}{word}": word for word in words}
    return m.Metadata(annotations={key: f"{{{{inputs.parameters.{name}}}}}" for key, name in said.items()})


def begin_pod(place: Place, kept: Sequence[str]) -> m.Template:
    """Writes the run into the ledger, from the plan in these ConfigMaps and the arguments of the Workflow itself.

    These it reads by the API, so it is the one pod with a token; Argo never renders them.
    """
    sources = [m.VolumeProjection(config_map=m.ConfigMapProjection(name=name)) for name in kept]
    container = _runner(place, ["begin", "--plan", _PLAN], run="{{workflow.name}}")
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
        args=["--answers", _ANSWERS, "--work", _WORK, *words],
        env=[m.EnvVar(name="SOMAGENT_RUNS", value=place.runs), m.EnvVar(name="SOMAGENT_RUN", value=run)],
        env_from=[m.EnvFromSource(secret_ref=m.SecretEnvSource(name=place.runs_secret))] if place.runs_secret else None,
        security_context=m.SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=m.Capabilities(drop=["ALL"]),
        ),
        volume_mounts=[
            m.VolumeMount(name="somagent", mount_path=_WORK),
            m.VolumeMount(name="tmp", mount_path="/tmp"),  # noqa: S108 - the pod's own, and empty
        ],
    )


def pod_settings() -> dict[str, Any]:
    """Of the workflow: what all pods have."""
    return {
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
    again = f"lastRetry.exitCode in ['{Exit.AGAIN:d}', '{Exit.UNREACHABLE:d}'] || lastRetry.status == 'Error'"
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
