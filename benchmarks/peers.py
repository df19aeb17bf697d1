"""What others take for the graphs of `capsules.realistic`: Hera's own build of them, and a lint without meaning.

Hera builds the same steps, edges, conditions, loops, retries and the secret, as its users write them: one template a
step, parameters for what is read. It checks none of it. The lint is yamllint's default rules and the capsule's JSON
Schema, which know neither names nor types nor what expressions say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import yaml
from hera.workflows import DAG, Container, Parameter, RetryStrategy, SecretEnv, Task, Workflow
from yamllint import linter
from yamllint.config import YamlLintConfig

from somagent.capsule_compiler.language import Language

_STEP = re.compile(r"steps\.(\w+)")


def hera_build(text: str) -> Callable[[], Workflow]:
    """A program that builds the capsule's graph with Hera; what it needs is read from the capsule before."""
    steps = yaml.load(text, yaml.CSafeLoader)["spec"]["steps"]
    wanted = [(name, fields, _arguments(fields), _needs(fields)) for name, fields in steps.items()]
    return lambda: _workflow(wanted)


def _workflow(wanted: list[tuple[str, dict[str, Any], dict[str, str], list[str]]]) -> Workflow:
    with Workflow(generate_name="bench-", entrypoint="all") as workflow:
        templates = {name: _container(name, fields, arguments) for name, fields, arguments, _ in wanted}
        with DAG(name="all"):
            for name, fields, arguments, needs in wanted:
                Task(
                    name=name,
                    template=templates[name],
                    arguments=[Parameter(name=key, value=value) for key, value in arguments.items()],
                    depends=" && ".join(needs) or None,
                    when=fields.get("if"),
                    with_param=_parameters(fields["forEach"]) if "forEach" in fields else None,
                )
    return workflow


def _container(name: str, fields: dict[str, Any], arguments: dict[str, str]) -> Container:
    secret = SecretEnv(name="TOKEN", secret_name="git-writer", secret_key="token")
    return Container(
        name=f"run-{name}",
        image="bench",
        command=["sh", "-c", fields["script"]["run"]],
        inputs=[Parameter(name=key) for key in arguments],
        outputs=[Parameter(name=key, value_from={"path": f"/out/{key}"}) for key in fields.get("outputs", ())],
        env=[secret] if "TOKEN" in fields["script"].get("env", ()) else None,
        retry_strategy=RetryStrategy(limit=2),
        active_deadline_seconds=900,
    )


def _arguments(fields: dict[str, Any]) -> dict[str, str]:
    env = fields["script"].get("env", {})
    return {key: _parameters(value) for key, value in env.items() if key != "TOKEN"}


def _parameters(value: str) -> str:
    """Expressions as Argo's, where outputs are parameters of tasks."""
    return _STEP.sub(r"tasks['\1'].outputs.parameters", value).replace("${{", "{{=")


def _needs(fields: dict[str, Any]) -> list[str]:
    return sorted({*_STEP.findall(str(fields)), *fields.get("needs", ())})


def lint(language: Language) -> Callable[[str], int]:
    """Lints a capsule as YAML, and validates it against the JSON Schema; the number of problems."""
    rules = YamlLintConfig("extends: default")
    validator = jsonschema_rs.validator_for(dict(language.schema))

    def run(text: str) -> int:
        problems = sum(1 for _ in linter.run(text, rules))
        document = yaml.load(text, yaml.CSafeLoader)
        return problems + sum(1 for _ in validator.iter_errors(document))

    return run
