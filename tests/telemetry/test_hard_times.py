"""Telemetry never costs a run anything: not when nobody wants it, and not when a collector is away or slow."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from otlp_receiver import receiving
from somagent_shell import Shell

from somagent.operators.runner.records import StepKey
from somagent.operators.runner.trace_context import is_sampled, is_wanted, trace_id, traceparent
from somagent.workflows.telemetry.observing import CLOSING_S

QUICK = "  steps:\n    a: { script: { run: 'echo \"[${TRACEPARENT-}]\"' } }\n"
BAD = """\
  steps:
    bad: { script: { run: 'echo why >&2; exit 3' } }
    next: { needs: [bad], script: { run: 'true' } }
"""
URL = "OTEL_EXPORTER_OTLP_ENDPOINT"


def test_without_its_variables_nothing_of_it_is_imported_and_scripts_are_told_nothing(somagent: Shell) -> None:
    name = somagent.capsule("quick", QUICK)
    program = (
        "import sys; from somagent.cli.main import run_command\n"
        f"assert run_command(['run', {name!r}]) == 0\n"
        "print(*sorted(one for one in sys.modules if 'telemetry' in one), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=somagent.folder,
        env=somagent.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "somagent.workflows.telemetry\n"
    assert somagent("logs", "last").out == "a | []\n"


def test_a_collector_that_is_away_costs_one_line(somagent: Shell) -> None:
    with socket.socket() as unused:  # bound and not listening: whoever comes is refused
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        began = time.monotonic()
        ended = somagent("run", somagent.capsule("quick", QUICK), **{URL: url})
    assert ended.code == 0
    assert (
        ended.err
        == f"warning: telemetry: {url} does not take what is sent, and runs go on without: connection refused\n"
    )
    assert time.monotonic() - began < CLOSING_S


def test_a_collector_that_is_slow_costs_the_end_of_the_process_some_seconds_at_most(somagent: Shell) -> None:
    patience = threading.Event()
    with receiving(patience=patience) as receiver:
        began = time.monotonic()
        process = somagent.start("run", somagent.capsule("quick", QUICK))
        quick = process.communicate()[0], time.monotonic() - began
        began = time.monotonic()
        ended = somagent("run", "quick.capsule.yaml", **{URL: receiver.url, "OTEL_METRICS_EXPORTER": "none"})
        took = time.monotonic() - began
    assert "Succeeded" in quick[0]
    assert (ended.code, "Succeeded" in ended.out) == (0, True)
    assert ended.err == "warning: telemetry: not everything was sent: the collector is too slow, or away\n"
    assert took < quick[1] + CLOSING_S + 5


def test_without_the_extra_a_run_goes_on_and_is_told_how_to_get_it(somagent: Shell, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "opentelemetry"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ImportError('not installed')\n")
    name = somagent.capsule("quick", QUICK)
    ended = somagent("run", name, PYTHONPATH=str(missing.parent), **{URL: "http://127.0.0.1:4318"})
    assert ended.code == 0
    assert ended.err == (
        "warning: telemetry: variables OTEL_* ask for OpenTelemetry, which is not installed, so nothing is sent: "
        "pip install 'somagent[otel]', or set OTEL_SDK_DISABLED=true\n"
    )


def test_what_happens_is_written_as_lines_of_json_to_standard_error(somagent: Shell) -> None:
    ended = somagent("run", somagent.capsule("bad", BAD), "--output", "json", SOMAGENT_LOG="json")
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert [(one["severity"], one["event"], one["text"].split(" ", 1)[1]) for one in lines] == [
        ("INFO", "somagent.run", "is worked on"),
        ("INFO", "somagent.step.attempt", "attempt 1 began"),
        ("ERROR", "somagent.step.result", "Failed (error)"),
        ("WARN", "somagent.step.result", "Omitted (omitted)"),
        ("ERROR", "somagent.run", "Failed"),
    ]
    assert lines[2]["message"] == "exit code 3: why"
    assert lines[2]["somagent.run.id"] == ended.json["id"]
    assert "trace_id" not in lines[0]  # nothing is traced


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({URL: "http://c:4318"}, True),
        ({URL: ""}, False),
        ({URL: "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({URL: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({URL: "http://c:4318", "OTEL_LOGS_EXPORTER": "none"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c:4318/v1/logs"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console", URL: "http://c:4318"}, False),
    ],
)
def test_the_standard_variables_say_whether_traces_are_sent(variables: dict[str, str], *, wanted: bool) -> None:
    assert is_wanted("traces", variables) is wanted


def test_a_part_of_the_traces_is_sent_and_scripts_are_told_which() -> None:
    env = {URL: "http://c:4318", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    runs = [f"r-20261129-1200-{number:04x}" for number in range(2_000)]
    sampled = [run for run in runs if is_sampled(trace_id(run), env)]
    assert 400 < len(sampled) < 600
    for run in runs[:50]:
        flags = traceparent(StepKey(run, "a"), 1, env).rpartition("-")[2]
        assert flags == ("01" if run in sampled else "00")
        assert is_sampled(trace_id(f"{run}.scan.3"), env) == (run in sampled)  # a run inside it


def test_the_sampler_takes_the_traces_that_opentelemetry_takes() -> None:
    from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

    env = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.3"}
    theirs = TraceIdRatioBased(0.3)
    for number in range(500):
        trace = trace_id(f"r-{number}")
        taken = theirs.should_sample(None, trace, "run").decision is Decision.RECORD_AND_SAMPLE
        assert is_sampled(trace, env) == taken
