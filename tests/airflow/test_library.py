"""A capsule of the library, from the same file on the same repository, comes out on Airflow as it does here."""

from __future__ import annotations

import subprocess
from typing import Any

from airflow_servers import Airflow
from airflow_site import Site
from somagent_shell import Shell

AS_OF = "as_of=2026-01-01"
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def test_repo_health_finds_the_same_and_writes_the_same_files(somagent: Shell, airflow: Airflow, site: Site) -> None:
    somagent.write("project/README.md", "# Project\n\nIt does what it says.\n")
    somagent.write("project/tests/test_it.py", "def test_it():\n    assert 1 + 1 == 2\n")
    somagent.write("project/requirements.txt", "requests\n")  # not pinned: a finding
    folder = somagent.folder / "project"
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "Begin")):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    settings = site.settings()
    variables = {
        "SOMAGENT_RUNS": site.bucket,
        "SOMAGENT_AIRFLOW_URL": settings.url,
        "SOMAGENT_AIRFLOW_USER": settings.user,
        "SOMAGENT_AIRFLOW_PASSWORD": settings.password,
        "SOMAGENT_AIRFLOW_DAGS": str(settings.dags),
    }

    def run(*words: str, **variables: str) -> dict[str, Any]:
        wanted = ("--input", f"repo={folder}", "--input", AS_OF, "--output", "json")
        ended = somagent("run", "repo-health", *wanted, *words, timeout_s=400, **variables)
        assert ended.out, ended.err
        return dict(ended.json)

    here, there = run(), run("--engine", "airflow", **variables)
    site.runs.append(there["id"])
    assert here["outputs"]["findings"]
    assert said(there) == said(here)
    for step in ("checks", "report"):
        assert there["steps"][step]["phase"] == "Succeeded"


def said(run: dict[str, Any]) -> dict[str, Any]:
    """What must be the same: all outputs but the bundle, which has the run's own name; files are their digests."""
    phases = {name: step["phase"] for name, step in run["steps"].items()}
    outputs = {name: value for name, value in (run["outputs"] or {}).items() if name != "bundle"}
    return {"phase": run["phase"], "phases": phases, **outputs}
