"""A model that says what a test tells it to say, behind the interface that Claude Code speaks.

`POST /v1/messages` of the Messages API: a stream of server-sent events, `message_start` to `message_stop`. What it says
next follows from how often it has spoken in the conversation that it is sent: a session that is resumed goes on where
it ended.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.clients.streaming import Json, Streaming, listening

WORDS = "That is all."
"""What it says when it asks for nothing."""


@dataclass(frozen=True)
class Use:
    """A tool that the model asks for. `id` is the model's name for this call."""

    tool: str
    input: Mapping[str, Any]
    id: str

    def block(self) -> Json:
        return {"type": "tool_use", "id": self.id, "name": self.tool, "input": dict(self.input)}


Turn = Sequence[Use]
"""What the model asks for in one go; nothing where it only talks."""


@dataclass
class Model:
    """One that is listened to. `heard` are the conversations that it was sent, the newest last."""

    url: str
    script: Sequence[Turn]
    delegated: Sequence[Turn] = ()
    """What it says to itself as a sub-agent, whose first message is `DELEGATED`."""
    heard: list[Json] = field(default_factory=list)

    def told(self) -> dict[str, str]:
        """What it was told of each tool that it asked for, by the id of the call; in the main conversation."""
        main = [body for body in self.heard if not _is_delegated(body)]
        messages = main[-1]["messages"] if main else []
        return dict(_results(messages))

    def words(self) -> str:
        """Everything that the newest conversation holds, as the model reads it."""
        return json.dumps(self.heard[-1]["messages"], ensure_ascii=False)

    def next(self, body: Json) -> list[Json]:
        """The blocks of its next message in this conversation."""
        self.heard.append(body)
        script = self.delegated if _is_delegated(body) else self.script
        spoken = sum(message["role"] == "assistant" for message in body["messages"])
        uses = script[spoken] if spoken < len(script) else ()
        return [use.block() for use in uses] or [{"type": "text", "text": WORDS}]


DELEGATED = "Do what a sub-agent does."


@contextmanager
def scripted(script: Sequence[Turn], delegated: Sequence[Turn] = ()) -> Iterator[Model]:
    """A model on a free port of this machine, for the length of the block."""

    class Handler(Streaming):
        address = "/v1/messages"

        def events(self, body: Json) -> Iterator[Json]:
            # Without tools it is asked for something else than its part, such as a title of the session.
            blocks = model.next(body) if body.get("tools") else [{"type": "text", "text": "{}"}]
            # Two messages of one id are one to it: each must have its own.
            return _events(f"msg_{len(model.heard)}", body["model"], blocks)

    with listening(Handler) as url:
        model = Model(url, script, delegated)
        yield model


def _events(id_: str, model: str, blocks: Sequence[Json]) -> Iterator[Json]:
    """One message as the interface streams it."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    head = {"id": id_, "type": "message", "role": "assistant", "model": model, "content": [], "usage": usage}
    yield {"type": "message_start", "message": {**head, "stop_reason": None, "stop_sequence": None}}
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            start, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    stopped = {"stop_reason": reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 1}}
    yield {"type": "message_stop"}


def _is_delegated(body: Json) -> bool:
    return DELEGATED in _texts(body["messages"][0]["content"])


def _results(messages: Sequence[Json]) -> Iterator[tuple[str, str]]:
    for message in messages:
        if isinstance(message["content"], list):
            for block in message["content"]:
                if block["type"] == "tool_result":
                    yield block["tool_use_id"], "\n".join(_texts(block["content"]))


def _texts(content: str | Sequence[Json]) -> list[str]:
    return [content] if isinstance(content, str) else [block["text"] for block in content if block["type"] == "text"]
