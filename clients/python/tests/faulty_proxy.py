"""A proxy in front of the service that loses responses."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Optional
from urllib.parse import urlsplit


class FaultyProxy:
    """`faults` has for each path what happens to its next requests.

    `lost`: the service answers, and the connection breaks before the response arrives. `busy`: 429 with
    `Retry-After: 1`. Empty: nothing.
    """

    def __init__(self, target: str) -> None:
        self.faults: dict[str, list[str]] = {}
        #: Number of requests of each path.
        self.requests: dict[str, int] = {}
        self._streams: list[http.client.HTTPResponse] = []
        proxy = self
        service = urlsplit(target).netloc

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._forward()

            def do_POST(self) -> None:
                self._forward()

            def _forward(self) -> None:
                path = self.path.split("?")[0]
                proxy.requests[path] = proxy.requests.get(path, 0) + 1
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                faults = proxy.faults.get(path, [])
                fault = faults.pop(0) if faults else ""
                self.close_connection = True
                if fault == "busy":
                    self.send_response(429)
                    self.send_header("retry-after", "1")
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                connection = http.client.HTTPConnection(service)
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                if fault == "lost":
                    response.read()
                    return
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in (
                        "connection",
                        "content-length",
                        "keep-alive",
                        "transfer-encoding",
                    ):
                        self.send_header(name, value)
                self.send_header("connection", "close")
                self.end_headers()
                if path.endswith("/stream"):
                    proxy._streams.append(response)
                while chunk := response.read1(65_536):
                    self.wfile.write(chunk)
                    self.wfile.flush()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def break_streams(self) -> None:
        while self._streams:
            response = self._streams.pop()
            response.fp.raw._sock.shutdown(2)  # type: ignore[attr-defined]

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.break_streams()
        self._server.shutdown()
        self._server.server_close()
