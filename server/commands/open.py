"""`assent open`: the review site in the browser."""

import sys
import webbrowser
from typing import Annotated

import anyio
from cyclopts import Parameter

from server.commands.options import NO_FLAGS, Shared
from server.commands.records import opened
from server.process import find_or_start
from server.setup_link import setup_url


def open_site(
    *,
    print_: Annotated[bool, Parameter(name="--print", help="Print the address only.", negative=())] = False,
    shared: Shared = NO_FLAGS,
) -> None:
    """Open the review site in the browser; the setup page while there is no reviewer. Starts the server if need be."""
    settings = shared.settings()
    running = find_or_start(settings.home)
    with opened(settings) as records:
        setup = anyio.run(setup_url, records.people, running.url)
    url = setup or running.url
    if print_ or shared.json:
        shared.answer({"url": url, "setup": setup is not None}, url)
    elif not webbrowser.open(url):
        print("no browser could be opened here; open this address in one:", file=sys.stderr)
        print(url)
