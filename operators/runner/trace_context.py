"""Where an attempt stands in its trace, as W3C Trace Context has it: computed from its key, remembered by nobody.

A run is one trace. Whoever goes on with it, in another process a month later, computes the same ids, so that no span
has to be kept open while a run waits, and what a script reports is found below its attempt. Here is also what decides
whether anything is traced at all: OpenTelemetry's own variables, read without importing OpenTelemetry.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

from somagent.operators.runner.records import StepKey

Signal = Literal["traces", "metrics", "logs"]

_SAMPLED, _NOT_SAMPLED = "01", "00"
_RATIO_BITS = 64  # the lower half of a trace id is what `traceidratio` looks at


def is_wanted(signal: Signal, env: Mapping[str, str]) -> bool:
    """Whether the variables say that this signal is sent: an endpoint, or the exporter `otlp` by name."""
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = env.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower()
    if exporter:
        return exporter == "otlp"
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    return any(env.get(name, "").strip() for name in names)


def trace_id(run_id: str) -> int:
    """The trace of a run, and of the runs inside it."""
    return _number("trace", run_id.partition(".")[0], size=16)


def run_span(run_id: str) -> int:
    """The span of a run as a whole."""
    return _number("run", run_id)


def step_span(key: StepKey) -> int:
    """The span of a step, or of an item of one."""
    return _number("step", str(key))


def attempt_span(key: StepKey, number: int) -> int:
    """The span of an attempt."""
    return _number("attempt", str(key), str(number))


def wait_span(key: StepKey, number: int) -> int:
    """The span of the time in which people were waited for after that attempt."""
    return _number("wait", str(key), str(number))


def is_sampled(trace: int, env: Mapping[str, str]) -> bool:
    """Whether a trace is sent, by `OTEL_TRACES_SAMPLER`; the same for each of its spans, in every process."""
    name = env.get("OTEL_TRACES_SAMPLER", "").strip().lower().removeprefix("parentbased_")
    if name == "always_off":
        return False
    if name != "traceidratio":
        return True
    try:
        ratio = min(max(float(env.get("OTEL_TRACES_SAMPLER_ARG", "1")), 0.0), 1.0)
    except ValueError:
        return True
    return trace % (1 << _RATIO_BITS) < round(ratio * (1 << _RATIO_BITS))


def traceparent(key: StepKey, number: int, env: Mapping[str, str]) -> str:
    """The header by which the work of an attempt continues the trace; empty when nothing is traced."""
    if not is_wanted("traces", env):
        return ""
    trace = trace_id(key.run)
    flags = _SAMPLED if is_sampled(trace, env) else _NOT_SAMPLED
    return f"00-{trace:032x}-{attempt_span(key, number):016x}-{flags}"


def _number(*names: str, size: int = 8) -> int:
    digest = sha256("\0".join(("somagent", *names)).encode()).digest()[:size]
    return int.from_bytes(digest) or 1  # all zeros is no id
