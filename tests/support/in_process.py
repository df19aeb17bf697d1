"""Capsules compiled and run in the test's own process, where a command of its own would only cost time."""

from __future__ import annotations

from pathlib import Path

from somagent_shell import HEAD

from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.plan import Plan
from somagent.governance.constitution import default_constitution
from somagent.operators.review import OPERATOR as REVIEW
from somagent.workflows.capsules import compile_content, this_installation
from somagent.workflows.engines.local import LocalEngine


def compiled(name: str, spec: str) -> Compilation:
    """What comes of a capsule whose `spec:` is this text, indented by two."""
    content = (HEAD.replace("NAME", name) + spec).encode()
    return compile_content(Path(f"{name}.capsule.yaml"), content, this_installation(), default_constitution())


def plan_of(name: str, spec: str) -> Plan:
    """The plan of a capsule without mistakes."""
    plan = compiled(name, spec).plan
    assert plan is not None
    return plan


def reviewing(directory: Path) -> LocalEngine:
    """An engine that can ask people."""
    return LocalEngine(directory, {"review": REVIEW})
