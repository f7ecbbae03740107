"""Metrics and health over HTTP on loopback: `/metrics`, `/health` (alive), `/ready` (working)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from khaen.errors import NotRunnable

HOST = "127.0.0.1"
Facts = Callable[[], Mapping[str, bool]]


class HealthServer:
    """Answers until it is stopped. `ready` gives facts, all of which must hold."""

    def __init__(
        self, port: int, registry: CollectorRegistry, alive: Callable[[], bool], ready: Facts
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                match self.path:
                    case "/metrics":
                        self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                    case "/health":
                        self._facts({"alive": alive()})
                    case "/ready":
                        self._facts(ready())
                    case _:
                        self._answer(404, "text/plain", b"not found\n")

            def _facts(self, facts: Mapping[str, bool]) -> None:
                body = json.dumps(dict(facts)).encode()
                self._answer(200 if all(facts.values()) else 503, "application/json", body)

            def _answer(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                del format, args

        try:
            self._server = ThreadingHTTPServer((HOST, port), Handler)
        except OSError as error:
            raise NotRunnable(
                f"ingest.metrics_port: cannot listen on {HOST}:{port}: {error.strerror}"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="health"
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
