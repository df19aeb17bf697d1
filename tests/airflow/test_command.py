"""The command line on runs that Airflow works on."""

from __future__ import annotations

import re

from airflow_servers import Airflow
from airflow_site import Site
from somagent_shell import Shell

SPEC = """\
  description: "FOLDER"
  steps:
    names:
      script: { run: 'echo "found=[\\"ada\\", \\"bo\\"]" >> "$SOMAGENT_OUTPUT"' }
      outputs: { found: { type: array, maxItems: 9, items: { type: string } } }
    agree: { needs: [names], review: { title: "Greet them?", reviewers: { users: [bo] } } }
    greet:
      needs: [agree]
      forEach: ${{ steps.names.found }}
      as: name
      script: { run: 'echo "Hello, $NAME"', env: { NAME: "${{ name }}" } }
  outputs: { names: "${{ steps.names.found }}" }
"""


def test_a_run_is_begun_watched_decided_and_looked_at(somagent: Shell, airflow: Airflow, site: Site) -> None:
    settings = site.settings()
    variables = {
        "SOMAGENT_ENGINE": "airflow",
        "SOMAGENT_RUNS": site.bucket,
        "SOMAGENT_AIRFLOW_URL": settings.url,
        "SOMAGENT_AIRFLOW_USER": settings.user,
        "SOMAGENT_AIRFLOW_PASSWORD": settings.password,
        "SOMAGENT_AIRFLOW_DAGS": str(settings.dags),
    }

    def do(*words: str) -> tuple[int, str]:
        done = somagent(*words, timeout_s=240, **variables)
        return done.code, done.out + done.err

    capsule = somagent.capsule("greet", SPEC.replace("FOLDER", str(somagent.folder)))
    code, said = do("run", capsule)
    assert code == 3, said
    found = re.search(r"r-\d{8}-\d{4}-[0-9a-f]+", said)
    assert found is not None
    site.runs.append(found[0])
    assert "Greet them?" in said
    code, said = do("approve", "last", "agree", "--as", "eve")
    assert (code, "eve is not among the reviewers: bo" in said) == (2, True), said
    code, said = do("approve", "last", "agree", "--as", "bo")
    assert code == 0, said
    code, said = do("resume", "last")
    assert code == 0, said
    code, said = do("logs", "last")
    assert "Hello, ada" in said
    assert "Succeeded" in do("show", "last")[1]


def test_what_is_not_set_is_named(somagent: Shell) -> None:
    capsule = somagent.capsule("greet", SPEC)
    refused = somagent("run", capsule, "--engine", "airflow", "--runs", "file:///tmp/nowhere")
    assert refused.code == 2
    assert "SOMAGENT_AIRFLOW_URL, SOMAGENT_AIRFLOW_DAGS, SOMAGENT_AIRFLOW_USER" in refused.err
