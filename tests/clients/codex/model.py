"""A model that says what a test tells it to say, behind the interface that Codex speaks.

`POST /v1/responses` of the Responses API, as a stream of server-sent events. What it says next follows from how many
calls it has made in the conversation that it is sent.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.clients.streaming import Json, Streaming, listening


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

    class Handler(Streaming):
        address = "/v1/responses"

        def events(self, body: Json) -> list[Json]:
            usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
            return [
                {"type": "response.created", "response": {"id": "resp"}},
                {"type": "response.output_item.done", "output_index": 0, "item": model.next(body)},
                {"type": "response.completed", "response": {"id": "resp", "usage": usage}},
            ]

    with listening(Handler) as url:
        model = Model(f"{url}/v1", script)
        yield model
