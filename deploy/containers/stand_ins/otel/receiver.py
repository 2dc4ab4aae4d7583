"""Takes traces by OTLP over HTTP at port 4318, and tells at GET /spans how many spans came."""

import gzip
import json
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

SPANS: Counter[str] = Counter()


class Receiver(BaseHTTPRequestHandler):
    """One request: spans that come, or the question how many did."""

    def do_POST(self) -> None:
        """Take spans. A body that is none ends the connection with an error."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        asked = ExportTraceServiceRequest.FromString(body)
        for sent in asked.resource_spans:
            for scope in sent.scope_spans:
                SPANS.update(span.name for span in scope.spans)
        self._answer("application/x-protobuf", ExportTraceServiceResponse().SerializeToString())

    def do_GET(self) -> None:
        """Tell the number of spans by their name."""
        self._answer("application/json", json.dumps(SPANS).encode())

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", 4318), Receiver).serve_forever()  # noqa: S104 - in its container
