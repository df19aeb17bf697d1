"""A receiver of OTLP over HTTP: a real server, which decodes what comes with OpenTelemetry's own definitions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_KINDS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass
class Receiver:
    """What came, in the order in which it came."""

    url: str
    requests: list[Any] = field(default_factory=list)
    bodies: bytes = b""

    @property
    def spans(self) -> list[Any]:
        parts = [part for one in self._of(ExportTraceServiceRequest) for part in one.resource_spans]
        return [span for part in parts for scope in part.scope_spans for span in scope.spans]

    @property
    def entries(self) -> list[Any]:
        parts = [part for one in self._of(ExportLogsServiceRequest) for part in one.resource_logs]
        return [entry for part in parts for scope in part.scope_logs for entry in scope.log_records]

    @property
    def metrics(self) -> dict[str, Any]:
        """Each metric as it came last."""
        parts = [part for one in self._of(ExportMetricsServiceRequest) for part in one.resource_metrics]
        return {metric.name: metric for part in parts for scope in part.scope_metrics for metric in scope.metrics}

    def resources(self) -> list[dict[str, Any]]:
        spans = [part for one in self._of(ExportTraceServiceRequest) for part in one.resource_spans]
        return [attributes(part.resource) for part in spans]

    def _of(self, kind: type) -> list[Any]:
        return [one for one in self.requests if isinstance(one, kind)]


def attributes(of: Any) -> dict[str, Any]:
    """The attributes of a span, an entry, a point or a resource."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


@contextmanager
def receiving(*, patience: threading.Event | None = None) -> Iterator[Receiver]:
    """A receiver on a port of its own; with `patience` it answers when that is set, and not before."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = _KINDS[self.path]()
            request.ParseFromString(body)
            receiver.bodies += body
            receiver.requests.append(request)
            if patience is not None:
                patience.wait(60)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            if patience is not None:
                patience.set()
            server.shutdown()
            thread.join()
