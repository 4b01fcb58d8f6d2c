"""`assent stop`: end the server."""

from server.commands.options import NO_FLAGS, Shared
from server.process import stop as stop_server


def stop(*, shared: Shared = NO_FLAGS) -> None:
    """End this home's server and wait until it is gone. Calls that wait are told to ask again later."""
    home = shared.settings().home
    stopped = stop_server(home)
    if stopped is None:
        shared.answer({"stopped": False, "home": str(home.path)}, f"no server runs (home {home.path})")
    else:
        shared.answer({"stopped": True, "pid": stopped.pid, "home": str(home.path)}, f"stopped (process {stopped.pid})")
