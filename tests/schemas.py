"""A schema registry for tests of a few milliseconds: what Confluent's answers to a reader, and no
more. It knows GUIDs, which the one that `deploy.servers` runs does not."""

import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

Reference = dict[str, object]

_names = itertools.count(1)
"""A reader remembers the schemas of a URL for as long as its process lives, and the system gives a
port that is free again to the next registry: no two of them may be one to it."""


class Registry:
    """Schemas by id and by GUID, under one URL. `asked` are the paths that were asked for.

    While `status` is not 200, it answers with that to everything; while it `is_other_server`, as
    one does that knows none of the paths; and with `code`, if that is set, as its own.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.is_other_server = False
        self.code = 0
        self._answers: dict[str, dict[str, object] | list[str]] = {"/schemas/types": ["AVRO"]}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0].removeprefix(registry._prefix)
                registry.asked.append(path)
                found = registry._answers.get(path)
                status = registry.status if found or registry.status != 200 else 404
                if registry.is_other_server:
                    found, status = {"error_code": 404, "message": "no such page"}, 404
                if registry.code:
                    found, status = {"error_code": registry.code}, registry.code // 100
                body = json.dumps(found or {"error_code": 40403, "message": "not found"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._prefix = f"/registry-{next(_names)}"
        self.url = f"http://127.0.0.1:{self._server.server_port}{self._prefix}"

    def add(
        self, schema: object, kind: str = "AVRO", references: Sequence[Reference] = ()
    ) -> tuple[int, UUID]:
        """Register a schema; its id and its GUID."""
        number = sum(path.startswith("/schemas/ids/") for path in self._answers) + 1
        guid = UUID(int=number)
        text = schema if isinstance(schema, str) else json.dumps(schema)
        found = {"schema": text, "schemaType": kind, "references": [*references]}
        self._answers[f"/schemas/ids/{number}"] = found
        self._answers[f"/schemas/guids/{guid}"] = found
        version = {"subject": f"schema-{number}", "version": 1, "id": number, **found}
        self._answers[f"/subjects/schema-{number}/versions/1"] = version
        return number, guid

    def set_up_anew(self, *schemas: object) -> None:
        """Lose all schemas, and give their ids to these."""
        self._answers = {"/schemas/types": ["AVRO"]}
        for schema in schemas:
            self.add(schema)

    @contextmanager
    def running(self) -> Iterator["Registry"]:
        serving = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            serving.join()
            self._server.server_close()


def framed(number: int, payload: bytes) -> bytes:
    """A value with the id of its schema in front."""
    return b"\0" + number.to_bytes(4) + payload
