"""A model's interface on a free port of this machine: one address that answers with a stream of server-sent events."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]


class Streaming(BaseHTTPRequestHandler):
    """What is posted to `address` is answered with `events`; elsewhere there is nothing."""

    protocol_version = "HTTP/1.1"
    address: str

    def events(self, body: Json) -> Iterable[Json]:
        """What is said to this, each with its `type`."""
        raise NotImplementedError

    def do_POST(self) -> None:
        body: Json = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if urlsplit(self.path).path != self.address:
            self._nothing()
            return
        events = self.events(body)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def do_GET(self) -> None:
        self._nothing()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the server's own way is to write every request to stderr."""

    def _nothing(self) -> None:
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()


@contextmanager
def listening(handler: type[Streaming]) -> Iterator[str]:
    """The address of a server of these, for the length of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
