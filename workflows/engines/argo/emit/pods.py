"""Templates of pods: one for each shape of step, shared by all steps of that shape."""

from __future__ import annotations

from typing import Any, NamedTuple

from hera.workflows import models as m

from somagent.capsule_compiler.model.quantities import show_duration
from somagent.capsule_compiler.plan import Node
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.remote.exits import Exit

_ANSWERS = "/somagent/answers"
_INFRASTRUCTURE_TRIES = 5  # pods that were evicted or lost, over what the step's own `retry` allows


class Shape(NamedTuple):
    """What makes two steps need different templates."""

    command: str  # of `somagent-step`
    attempts: int = 1
    backoff_ms: int = 0
    max_backoff_ms: int = 0

    @property
    def name(self) -> str:
        """Of the template, the same for the same shape."""
        if self.attempts == 1:
            return self.command
        wait = show_duration(self.backoff_ms).replace(" ", "")
        return f"{self.command}-{self.attempts}x{wait}-{show_duration(self.max_backoff_ms).replace(' ', '')}"


def shape_of(node: Node, command: str = "step") -> Shape:
    """The shape of the pods that work on a step."""
    retry = node.retry
    if command != "step" or retry.attempts == 1:
        return Shape(command)
    return Shape(command, retry.attempts, retry.backoff_ms, retry.max_backoff_ms)


def pod(shape: Shape, place: Place) -> m.Template:
    """The template; its inputs are the step's id, and for `step` the number of the item, -1 for none."""
    inputs = [m.Parameter(name="step")] if shape.command != "end" else []
    words = ["{{inputs.parameters.step}}"] if inputs else []
    if shape.command == "step":
        inputs.append(m.Parameter(name="item", default="-1"))
        words.append("{{inputs.parameters.item}}")
    return m.Template(
        name=shape.name,
        inputs=m.Inputs(parameters=inputs) if inputs else None,
        outputs=m.Outputs(parameters=[_answer(name) for name in _answers(shape.command)]),
        retry_strategy=_retry(shape),
        container=m.Container(
            image=place.image,
            image_pull_policy="IfNotPresent",
            command=["somagent-step"],
            args=["--answers", _ANSWERS, "--work", "/somagent", shape.command, *words],
            env=[
                m.EnvVar(name="SOMAGENT_RUNS", value=place.runs),
                m.EnvVar(name="SOMAGENT_RUN", value="{{workflow.name}}"),
            ],
            env_from=[m.EnvFromSource(secret_ref=m.SecretEnvSource(name=place.runs_secret))]
            if place.runs_secret
            else None,
            security_context=m.SecurityContext(
                allow_privilege_escalation=False,
                read_only_root_filesystem=True,
                capabilities=m.Capabilities(drop=["ALL"]),
            ),
            volume_mounts=[
                m.VolumeMount(name="somagent", mount_path="/somagent"),
                m.VolumeMount(name="tmp", mount_path="/tmp"),  # noqa: S108 - the pod's own, and empty
            ],
        ),
    )


def pod_settings() -> dict[str, Any]:
    """Of the workflow: what all pods have."""
    return {
        "automount_service_account_token": False,
        "executor": m.ExecutorConfig(service_account_name="somagent-executor"),
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
    return {"open": ["phase", "summary", "items"], "step": ["phase", "summary", "seconds"]}.get(
        command, ["phase", "summary"]
    )


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
