"""One call's POST, as the server knows it: whether the caller is still there, and whether the answer left.

The two eras of the protocol differ in who notices a caller that went away. Both are covered here, below the protocol: a
disconnect seen while nothing was sent yet means the answer did not arrive; a last body frame that was handed to the
transport with the caller still there means it did.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from store.agents import Agent
from store.held_back import Halt

_KEY = "assent.exchange"

OnSettled = Callable[[bool], Awaitable[None]]


class Exchange:
    """Made by the agent gate for each HTTP request, and found again by whoever answers it."""

    __slots__ = ("_begun", "_on_lost", "_on_settled", "_over", "_sent", "agent", "gone", "halt")

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.gone = False
        self.halt: Halt | None = None
        """What people stopped the agent by while this went on: nothing may come of it any more."""
        self._begun = False
        self._sent = False
        self._over = False
        self._on_lost: list[Callable[[], None]] = []
        self._on_settled: list[OnSettled] = []

    @staticmethod
    def of(scope: MutableMapping[str, Any]) -> "Exchange":
        """The exchange that the gate put into this scope."""
        exchange = scope[_KEY]
        assert isinstance(exchange, Exchange)
        return exchange

    def attach(self, scope: Scope) -> None:
        """Put this exchange where `of` finds it."""
        scope[_KEY] = self

    @property
    def is_begun(self) -> bool:
        """Whether an answer was begun that is not complete."""
        return self._begun and not self._sent

    @property
    def is_lost(self) -> bool:
        """Whether nobody is there to be answered as asked: the caller has left, or its agent was stopped."""
        return self.gone or self.halt is not None

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Call back once it is lost; at once, if it is already."""
        if self.is_lost:
            callback()
        else:
            self._on_lost.append(callback)

    def stop(self, halt: Halt) -> None:
        """People stopped the agent: whoever waits here is to be told that, and nothing else."""
        if self.halt is None:
            self.halt = halt
            self._tell_lost()

    async def when_settled(self, callback: OnSettled) -> None:
        """Call back with whether the answer left; at once, if this exchange is over."""
        if self._over:
            await callback(self._sent)
        else:
            self._on_settled.append(callback)

    def receiving(self, receive: Receive) -> Receive:
        """`receive`, watched for a disconnect."""

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not self._sent:
                self._leave()
            return message

        return watched

    def sending(self, send: Send) -> Send:
        """`send`, watched for the end of the answer."""

        async def watched(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if last:
                # A disconnect that the loop knows of already must reach `receiving` before this counts as sent.
                await asyncio.sleep(0)
            self._begun = True
            await send(message)
            if last and not self.gone:
                self._sent = True

        return watched

    def _leave(self) -> None:
        self.gone = True
        self._tell_lost()

    def _tell_lost(self) -> None:
        callbacks, self._on_lost = self._on_lost, []
        for callback in callbacks:
            callback()

    async def take_back(self) -> None:
        """What was to be answered is not: whoever waits to hear whether it left is told that it did not."""
        callbacks, self._on_settled = self._on_settled, []
        for callback in callbacks:
            await callback(False)

    async def finish(self) -> None:
        """The HTTP exchange is over, one way or the other."""
        self._over = True
        if not self._sent:
            self._leave()
        callbacks, self._on_settled = self._on_settled, []
        for callback in callbacks:
            await callback(self._sent)
