"""A model that says what a test tells it to say, behind the interface that Codex speaks.

`POST /v1/responses` of the Responses API, as a stream of server-sent events. What it says next follows from how many
calls it has made in the conversation that it is sent.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool that the model calls. `arguments` may follow from what the last call came to."""

    tool: str
    arguments: Json | Callable[[str], Json]

    def item(self, id_: str, last: str) -> Json:
        arguments = self.arguments(last) if callable(self.arguments) else self.arguments
        return {"type": "function_call", "call_id": id_, "name": self.tool, "arguments": json.dumps(arguments)}


def shell(command: str, **more: Any) -> Call:
    return Call("exec_command", {"cmd": command, **more})


def typed(text: str) -> Call:
    """Something typed into the program that the last call left running."""

    def arguments(last: str) -> Json:
        found = re.search(r"session ID (\d+)", last)
        assert found is not None, last
        return {"session_id": int(found[1]), "chars": text, "yield_time_ms": 1000}

    return Call("write_stdin", arguments)


@dataclass
class Model:
    """One that is listened to: `told` is what its calls came to."""

    url: str
    script: Sequence[Call]
    told: list[str] = field(default_factory=list)

    def next(self, body: Json) -> Json:
        """The next item of this conversation."""
        self.told = [json.dumps(item["output"]) for item in body["input"] if item["type"] == "function_call_output"]
        done = len(self.told)
        if done < len(self.script):
            return self.script[done].item(f"call_{done}", self.told[-1] if self.told else "")
        return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "That is all."}]}


@contextmanager
def scripted(*script: Call) -> Iterator[Model]:
    """A model on a free port of this machine, for the length of the block."""

    class Handler(_Handler):
        @property
        def model(self) -> Model:
            return model

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        model = Model(f"http://127.0.0.1:{server.server_address[1]}/v1", script)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield model
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def model(self) -> Model:
        raise NotImplementedError

    def do_POST(self) -> None:
        body: Json = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not urlsplit(self.path).path.endswith("/responses"):
            self._nothing()
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        for event in (
            {"type": "response.created", "response": {"id": "resp"}},
            {"type": "response.output_item.done", "output_index": 0, "item": self.model.next(body)},
            {"type": "response.completed", "response": {"id": "resp", "usage": usage}},
        ):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def do_GET(self) -> None:
        self._nothing()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the server's own way is to write every request to stderr."""

    def _nothing(self) -> None:
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()
