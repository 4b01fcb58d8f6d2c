"""`assent status`: what runs."""

from dataclasses import asdict

from server.commands.options import NO_FLAGS, Shared
from server.process import find, is_held


def status(*, shared: Shared = NO_FLAGS) -> int:
    """Say whether this home's server runs, and where. Exits 1 when it does not."""
    home = shared.settings().home
    running = find(home)
    if running is None:
        silent = is_held(home)
        state = "a server holds this home but does not answer" if silent else "no server runs"
        shared.answer({"running": False, "silent": silent, "home": str(home.path)}, f"{state} (home {home.path})")
        return 1
    shared.answer(
        {"running": True, "home": str(home.path), **asdict(running)},
        f"Assent {running.version} runs at {running.url}\n"
        f"  process {running.pid}, since {running.started_at}, home {home.path}",
    )
    return 0
