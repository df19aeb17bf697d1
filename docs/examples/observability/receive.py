"""A receiver of OpenTelemetry for one desk: prints each trace as a tree when its run has ended."""

import http.server
import pathlib

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

seen = {}


def show(span, depth=0):
    """One line, and those of the spans inside it."""
    took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    failed = f"  {span.status.message}" if span.status.code == 2 else ""
    print(f"{'  ' * depth}{span.name}  {took:.1f}s{failed}", flush=True)
    inside = [one for one in seen.values() if one.parent_span_id == span.span_id]
    for one in sorted(inside, key=lambda one: one.start_time_unix_nano):
        show(one, depth + 1)


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        spans = [span for part in request.resource_spans for scope in part.scope_spans for span in scope.spans]
        seen.update({span.span_id: span for span in spans})
        for span in spans:
            if not span.parent_span_id:
                show(span)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
pathlib.Path("address").write_text(f"http://127.0.0.1:{server.server_port}")
server.serve_forever()
