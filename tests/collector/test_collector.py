"""Runs seen by a real OpenTelemetry Collector, built from its own Go modules: traces, metrics and logs arrive as sent.

It takes Go (1.25 or newer); the first build takes some minutes, later ones are remembered by Go's own cache.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from somagent_shell import Shell

HERE = Path(__file__).parent
CONFIGURATION = """\
receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:PORT" } } }
exporters:
  file: { path: FILE, flush_interval: 50ms }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlp], exporters: [file] }
    metrics: { receivers: [otlp], exporters: [file] }
    logs: { receivers: [otlp], exporters: [file] }
"""
CAPSULE = """\
  steps:
    list:
      script: { run: 'echo "found=[1, 2, 3]" >> "$SOMAGENT_OUTPUT"' }
      outputs: { found: { type: array, maxItems: 3, items: { type: integer } } }
    look:
      forEach: ${{ steps.list.found }}
      as: one
      script: { env: { ONE: "${{ one }}" }, run: '[ "$ONE" != 3 ]' }
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collector, built."""
    if shutil.which("go") is None:
        pytest.skip("Go is missing, which builds the collector: https://go.dev/doc/install")
    program = tmp_path_factory.mktemp("collector") / "collector"
    build = ["go", "build", "-mod=readonly", "-p", "2", "-o", str(program), "."]
    subprocess.run(build, cwd=HERE, check=True, timeout=1_200)
    return program


@pytest.fixture
def collector(
    program: Path, tmp_path: Path, wait_until: Callable[[Callable[[], bool]], None]
) -> Iterator[tuple[str, Path]]:
    """Where it listens, and the file that it writes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    written, configuration = tmp_path / "written.jsonl", tmp_path / "collector.yaml"
    configuration.write_text(CONFIGURATION.replace("PORT", str(port)).replace("FILE", str(written)))
    with (tmp_path / "collector.log").open("w") as log:
        process = subprocess.Popen([str(program), "--config", f"file:{configuration}"], stdout=log, stderr=log)
    try:
        wait_until(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}", written
    finally:
        process.terminate()
        assert process.wait(20) == 0


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_a_collector_has_the_run_as_a_trace_with_its_metrics_and_logs(
    somagent: Shell, collector: tuple[str, Path], wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    url, written = collector
    ended = somagent("run", somagent.capsule("look", CAPSULE), OTEL_EXPORTER_OTLP_ENDPOINT=url)
    assert (ended.code, ended.err) == (1, "")

    def came() -> dict[str, list[Any]]:
        kinds: dict[str, list[Any]] = {"resourceSpans": [], "resourceMetrics": [], "resourceLogs": []}
        for line in written.read_text().splitlines() if written.exists() else ():
            for kind, parts in json.loads(line).items():
                kinds[kind] += parts
        return kinds

    wait_until(lambda: all(came().values()))
    kinds = came()
    spans = [span for part in kinds["resourceSpans"] for scope in part["scopeSpans"] for span in scope["spans"]]
    assert len({span["traceId"] for span in spans}) == 1
    assert sorted(span["name"] for span in spans) == [
        "attempt list",
        *["attempt look"] * 3,
        *["item look"] * 3,
        "run look",
        "step list",
        "step look",
    ]
    assert sum(span.get("status", {}).get("code") == 2 for span in spans) == 4  # attempt, item, step and run
    metrics = [one for part in kinds["resourceMetrics"] for scope in part["scopeMetrics"] for one in scope["metrics"]]
    attempts = next(one for one in metrics if one["name"] == "somagent.attempts")
    assert sum(int(point["asInt"]) for point in attempts["sum"]["dataPoints"]) == 4
    logs = [one for part in kinds["resourceLogs"] for scope in part["scopeLogs"] for one in scope["logRecords"]]
    assert {one["traceId"] for one in logs} == {spans[0]["traceId"]}
    assert "look Failed (error)" in [one["body"]["stringValue"] for one in logs]


def test_a_collector_that_dies_while_a_run_goes_on_costs_the_run_nothing(somagent: Shell, program: Path) -> None:
    """It is started and killed, so that its port is known and nobody listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = somagent.write(
        "collector.yaml", CONFIGURATION.replace("PORT", str(port)).replace("FILE", str(somagent.folder / "written"))
    )
    process = subprocess.Popen(
        [str(program), "--config", f"file:{configuration}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not _listens(port):
        assert process.poll() is None
        time.sleep(0.02)
    kill = f"{{ script: {{ run: kill -KILL {process.pid} }} }}"
    ended = somagent(
        "run",
        somagent.capsule("kill", f"  steps:\n    end: {kill}\n"),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
    )
    process.wait(20)
    assert ended.code == 0
    assert ended.err.startswith(f"warning: telemetry: http://127.0.0.1:{port} does not take what is sent")
    assert ended.err.count("\n") == 1
