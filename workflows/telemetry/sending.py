"""OpenTelemetry itself: the SDK with OTLP over HTTP, set up by its own variables; imported by who sends only.

Nothing global is set: a program that uses OpenTelemetry for itself keeps what it has.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from somagent.operators.runner.trace_context import Signal, is_sampled
from somagent.workflows.telemetry.instruments import COUNTERS, GATES_WAITING, HISTOGRAMS, SECONDS
from somagent.workflows.telemetry.signals import Entry, Measure, Span, Told

_SCOPE = "somagent"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXPORTER = "opentelemetry.exporter"
_LOGGERS = (_EXPORTER, "opentelemetry.sdk")
_SYSTEM_SAYS = re.compile(r"\[Errno \d+\] ([\w ]+)")  # the innermost of what urllib3 and requests say
_SEVERITIES = {"INFO": SeverityNumber.INFO, "WARN": SeverityNumber.WARN, "ERROR": SeverityNumber.ERROR}


class Sending:
    """Sends to the collector that the variables name; a `Sink`."""

    def __init__(
        self,
        signals: Sequence[Signal],
        env: Mapping[str, str],
        warn: Callable[[str], None],
        gates_waiting: Callable[[], int | None],
    ) -> None:
        self._env, self._warn, self._gates_waiting = env, warn, gates_waiting
        self.is_failing = False
        self._faults = _Faults(self._failed, self._complained)
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self._faults)
        resource, number = Resource.create(_service(env)), version("somagent")
        self._ids = _Ids()
        self._closing: list[Callable[[], object]] = []
        self._tracer: trace.Tracer | None = None
        self._logger = None
        self._instruments: dict[str, Callable[..., None]] = {}
        if "traces" in signals:
            # What is sampled is decided here, so that the scripts of a run are told the same.
            tracers = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids)
            tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            self._tracer = tracers.get_tracer(_SCOPE, number)
            self._closing.append(tracers.shutdown)
        if "logs" in signals:
            loggers = LoggerProvider(resource, shutdown_on_exit=False)
            loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
            self._logger = loggers.get_logger(_SCOPE, number)
            self._closing.append(loggers.shutdown)
        if "metrics" in signals:
            reader = PeriodicExportingMetricReader(OTLPMetricExporter())
            meters = MeterProvider([reader], resource, shutdown_on_exit=False)
            self._instruments = self._made(meters)
            self._closing.append(meters.shutdown)
        if any(env.get(f"OTEL_EXPORTER_OTLP_{which}PROTOCOL", "").strip() == "grpc" for which in _which(signals)):
            self._warn("OTLP is spoken over HTTP here, not over gRPC: name the collector's port for HTTP (often 4318)")

    def take(self, told: Told) -> None:
        """Hands it to the SDK, which sends it later, from a bounded queue."""
        if isinstance(told, Measure):
            record = self._instruments.get(told.name)
            if record is not None:
                record(told.value, attributes=told.attributes)
        elif isinstance(told, Span):
            self._span(told)
        else:
            self._entry(told)

    def close(self) -> None:
        """Sends what is left, and ends the SDK's threads."""
        for close in self._closing:
            close()
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self._faults)

    def _span(self, told: Span) -> None:
        if self._tracer is None or not is_sampled(told.trace, self._env):
            return
        self._ids.trace, self._ids.span = told.trace, told.id
        span = self._tracer.start_span(
            told.name,
            Context() if told.parent is None else _at(told.trace, told.parent),
            attributes={**told.attributes, **({"error.type": told.error} if told.error else {})},
            links=[Link(_context(*one)) for one in told.links],
            start_time=_nanoseconds(told.start),
        )
        if told.error:
            span.set_status(Status(StatusCode.ERROR, told.error))
        span.end(_nanoseconds(told.end))

    def _entry(self, told: Entry) -> None:
        if self._logger is None:
            return
        self._logger.emit(
            LogRecord(
                timestamp=_nanoseconds(told.at),
                context=_at(told.trace, told.span),
                severity_text=told.severity,
                severity_number=_SEVERITIES[told.severity],
                body=told.text,
                attributes=told.attributes,
                event_name=told.name,
            )
        )

    def _made(self, meters: MeterProvider) -> dict[str, Callable[..., None]]:
        meter = meters.get_meter(_SCOPE, version("somagent"))
        made: dict[str, Callable[..., None]] = {}
        for name, unit, text in COUNTERS:
            made[name] = meter.create_counter(name, unit, text).add
        for name, text in HISTOGRAMS:
            histogram = meter.create_histogram(name, "s", text, explicit_bucket_boundaries_advisory=SECONDS)
            made[name] = histogram.record

        def waiting(_: CallbackOptions) -> Iterable[Observation]:
            number = self._gates_waiting()
            if number is not None:
                yield Observation(number)

        meter.create_observable_gauge(GATES_WAITING[0], [waiting], "{gate}", GATES_WAITING[1])
        return made

    def _failed(self, said: str) -> None:
        self.is_failing = True
        names = ("OTEL_EXPORTER_OTLP_ENDPOINT", *(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT" for which in _which(None)))
        urls = [self._env[name] for name in names if self._env.get(name)]
        parts = urlsplit(urls[0]) if urls else urlsplit("http://localhost:4318")
        where = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
        found = _SYSTEM_SAYS.search(said)
        self._warn(f"{where} does not take what is sent, and runs go on without: {found[1].lower() if found else said}")

    def _complained(self, said: str) -> None:
        """Something of OpenTelemetry's own, which says nothing of the collector."""
        self._warn(f"OpenTelemetry says: {said}")


class _Ids(IdGenerator):
    """Gives the ids that a run's spans have wherever they are told of."""

    trace = span = 0

    def generate_span_id(self) -> int:
        return self.span

    def generate_trace_id(self) -> int:
        return self.trace


class _Faults(logging.Handler):
    """What OpenTelemetry complains of, in place of lines of its own on standard error."""

    def __init__(self, failed: Callable[[str], None], complained: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._failed, self._complained = failed, complained

    def emit(self, record: logging.LogRecord) -> None:
        tell = self._failed if record.name.startswith(_EXPORTER) else self._complained
        tell(" ".join(record.getMessage().split())[:300])


def _which(signals: Sequence[Signal] | None) -> list[str]:
    return ["", *(f"{signal.upper()}_" for signal in signals or ("traces", "metrics", "logs"))]


def _service(env: Mapping[str, str]) -> dict[str, str]:
    named = env.get("OTEL_SERVICE_NAME") or "service.name=" in env.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {"service.version": version("somagent")} | ({} if named else {"service.name": "somagent"})


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _at(trace_id: int, span_id: int) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(_context(trace_id, span_id)), Context())


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
