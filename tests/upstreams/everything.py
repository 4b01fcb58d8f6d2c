"""A well-behaved upstream with everything that the protocol has, over stdio or HTTP, in one era of it or in both.

usage: python -m tests.upstreams.everything [--http] [--era both|legacy|modern] [--folder FOLDER] [--page SIZE]

With --http it prints its port and serves `/mcp` until it is ended, else it serves stdin and stdout. FOLDER is a
notebook; see `notebook.py`. Lists come in pages of SIZE entries.
"""

import argparse
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio
import mcp_types as types
import uvicorn
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.runner import serve_loop
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tests.upstreams.notebook import Notebook
from tests.upstreams.tools import ENTRIES, Answer, Context, Play, text

BOTH, LEGACY, MODERN = "both", "legacy", "modern"
RESOURCES = (
    types.Resource(uri="test://text", name="text", title="A text", mime_type="text/plain"),
    types.Resource(uri="test://blob", name="blob", mime_type="application/octet-stream", size=4),
)
TEMPLATE = types.ResourceTemplate(uri_template="test://notes/{id}", name="note", mime_type="text/markdown")
PROMPTS = (
    types.Prompt(name="bare", description="A prompt without arguments."),
    types.Prompt(
        name="greeting",
        title="A greeting",
        arguments=[types.PromptArgument(name="name", required=True), types.PromptArgument(name="tone")],
    ),
)
_Paged = TypeVar("_Paged")


class Everything:
    """What the server does beside calling tools, which `tools.py` does."""

    def __init__(self, notebook: Notebook, *, page: int | None = None, wire: int | None = None) -> None:
        self._notebook = notebook
        self._page = page
        self._wire = wire
        self._bus = InMemorySubscriptionBus()

    def server(self, era: str = BOTH) -> Server:
        server = Server(
            "everything",
            version="1",
            instructions="An upstream for tests.",
            get_tool_input_schema=lambda name: entry.tool.input_schema if (entry := ENTRIES.get(name)) else None,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_subscriptions_listen=ListenHandler(self._bus),
        )
        if era != BOTH:
            server.middleware.append(_only(era))
        return server

    async def _list_tools(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        tools, cursor = self._paged(self._tools(), params)
        return types.ListToolsResult(tools=tools, next_cursor=cursor)

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> Answer:
        self._notebook.write("called", tool=params.name)
        if params.name in ENTRIES:
            play = Play(self._notebook, self._bus, context, params, self._wire)
            return await ENTRIES[params.name].act(play)
        if self._notebook.definitions().get(params.name) is not None:
            return text(f"{params.name} was added")
        raise MCPError(types.INVALID_PARAMS, f"there is no tool {params.name}")

    async def _list_prompts(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        prompts, cursor = self._paged(PROMPTS, params)
        return types.ListPromptsResult(prompts=prompts, next_cursor=cursor)

    async def _get_prompt(self, _: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        self._notebook.write("prompted", prompt=params.name)
        name = (params.arguments or {}).get("name", "you")
        said = types.PromptMessage(role="user", content=types.TextContent(text=f"Greet {name}."))
        return types.GetPromptResult(description=f"The prompt {params.name}", messages=[said])

    async def _list_resources(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        resources, cursor = self._paged(RESOURCES, params)
        return types.ListResourcesResult(resources=resources, next_cursor=cursor)

    async def _list_templates(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])

    async def _read_resource(self, _: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        self._notebook.write("read", uri=uri)
        if uri == "test://blob":
            blob = types.BlobResourceContents(uri=uri, mime_type="application/octet-stream", blob="AAECAw==")
            return types.ReadResourceResult(contents=[blob])
        if uri != "test://text" and not uri.startswith("test://notes/"):
            raise MCPError(types.INVALID_PARAMS, "there is no such resource", {"uri": uri})
        found = types.TextResourceContents(uri=uri, mime_type="text/plain", text=f"What stands at {uri}.")
        return types.ReadResourceResult(contents=[found])

    def _tools(self) -> list[types.Tool]:
        tools = {name: entry.tool for name, entry in ENTRIES.items()}
        for name, changes in self._notebook.definitions().items():
            if changes is None:
                tools.pop(name, None)
                continue
            before = tools.get(name, types.Tool(name=name, input_schema={"type": "object"}))
            changed = before.model_dump(by_alias=True, mode="json", exclude_none=True) | changes
            tools[name] = types.Tool.model_validate(changed)
        return list(tools.values())

    def _paged(
        self, entries: Sequence[_Paged], params: types.PaginatedRequestParams | None
    ) -> tuple[list[_Paged], str | None]:
        if self._page is None:
            return list(entries), None
        start = int(params.cursor) if params is not None and params.cursor is not None else 0
        end = start + self._page
        return list(entries[start:end]), str(end) if end < len(entries) else None


def _only(era: str) -> Any:
    """Refuses the other era, as a server does that never heard of it."""

    async def refuse(context: Context, call_next: CallNext) -> HandlerResult:
        modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS and context.method != "initialize"
        if era == LEGACY and modern:
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found")
        if era == MODERN and not modern:
            data = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": context.protocol_version}
            raise MCPError(types.UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data)
        return await call_next(context)

    return refuse


async def serve_stdio(notebook: Notebook, era: str, page: int | None) -> None:
    server = Everything(notebook, page=page, wire=os.dup(1)).server(era)
    options = server.create_initialization_options(NotificationOptions(tools_changed=True))
    async with stdio_server() as (incoming, outgoing):
        notebook.write("started", process=os.getpid())
        if era == LEGACY:
            # The loop of both eras locks itself to the newer one when that is tried first.
            async with server.lifespan(server) as state:
                await serve_loop(server, incoming, outgoing, lifespan_state=state, init_options=options)
        else:
            await server.run(incoming, outgoing, options)
    notebook.write("stopped", process=os.getpid())


def serve_http(notebook: Notebook, era: str, page: int | None, port: int) -> None:
    app = Everything(notebook, page=page).server(era).streamable_http_app()
    # Named as TCP, a listener hands out connections that do not hold back small packets.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        notebook.write("started", process=os.getpid())
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)).run([listener])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.upstreams.everything")
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--era", choices=[BOTH, LEGACY, MODERN], default=BOTH)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--page", type=int)
    options = parser.parse_args()
    notebook = Notebook(options.folder)
    if options.http:
        serve_http(notebook, options.era, options.page, options.port)
    else:
        anyio.run(serve_stdio, notebook, options.era, options.page)


if __name__ == "__main__":
    main()
