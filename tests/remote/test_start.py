"""What a pod imports for its step: it begins for every step, so what a step does not need costs each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bucket_place import Place

NOT_FOR_STEPS = (
    "hera",
    "jsonschema_rs",
    "jwt",
    "rich",
    "sqlite3",
    "yaml",
    "somagent.capsule_compiler.diagnostics",
    "somagent.capsule_compiler.model.capsule",
    "somagent.capsule_compiler.packages",
    "somagent.capsule_compiler.passes",
    "somagent.cli",
    "somagent.operators.slm",
    "somagent.operators.tool",
    "somagent.workflows.engines.airflow",
    "somagent.workflows.engines.argo",
    "somagent.workflows.engines.local",
    "somagent.workflows.report",
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def modules_of(place: Place, *words: str) -> list[str]:
    """What the program imports, as Python itself tells it."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "somagent.workflows.engines.remote.start", *words],
        env={**os.environ, "SOMAGENT_RUNS": place.address, "SOMAGENT_RUN": place.run},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")]


def those_below(names: list[str], tops: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(name == top or name.startswith(f"{top}.") for top in tops)]


def test_a_step_imports_nothing_that_reads_capsules_or_that_other_engines_and_operators_need(place: Place) -> None:
    place.submit("    one: { script: { run: 'true' } }\n")
    names = modules_of(place, "step", "one")
    assert place.view().steps[0].phase == "Succeeded"
    assert "somagent.operators.script.run" in names
    assert those_below(names, NOT_FOR_STEPS) == []
    others = ("somagent.operators.bundle", "somagent.operators.policy", "somagent.operators.review")
    assert those_below(names, others) == []


def test_a_step_imports_the_operators_of_its_run(place: Place) -> None:
    steps = "    one: { script: { run: 'true' } }\n    ask: { needs: [one], review: { title: Well? } }\n"
    place.submit(steps)
    names = modules_of(place, "step", "one")
    assert "somagent.operators.review.asking" in names
    assert those_below(names, NOT_FOR_STEPS) == []
