"""Calls as they happen, for pictures and for tests: each scene answers with the path to open."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from store.audit.events import CallEnd, Halting
from store.calls.calls import Admitted, Ended, GovernedCall, Stated
from store.calls.definitions import Definition, Method
from store.policy.active import parsed
from tests.browser import calls
from tests.browser.running_site import RunningSite

POLICY = """version: 1
upstreams:
  files: {command: files-server}
  payments: {command: pay-server}
rules:
  - {name: reads run freely, tool: files__read_text, action: allow}
  - {name: watch what it writes, tool: files__write, action: notice}
  - {name: payments are held, tool: payments__send, action: hold}
  - {name: never, tool: files__drop, action: deny, reason: Ask the database team.}
"""


def _tool(upstream: str, name: str) -> Definition:
    return Definition(upstream, Method.TOOL, name, {"name": name, "inputSchema": {"type": "object"}})


TOOLS = {
    f"{upstream}__{name}": _tool(upstream, name)
    for upstream, name in (("files", "read_text"), ("files", "write"), ("files", "drop"), ("payments", "send"))
}


def put_in_force(site: RunningSite) -> None:
    """The rules, and what the upstreams list under them."""
    site.reviewer("ana")
    site.put_in_force(POLICY)
    for upstream in parsed(POLICY).upstreams:
        listed = [one for one in TOOLS.values() if one.upstream == upstream.name]
        site.call(lambda upstream=upstream, listed=listed: site.desk.calls.observe(upstream, listed))  # type: ignore[misc]


def call(
    site: RunningSite,
    tool: str,
    arguments: Mapping[str, Any],
    *,
    agent: str = "deploy-bot",
    ended: Ended | None = None,
    stated: Stated | None = None,
) -> str | None:
    """One call, and what came of it (else it runs on); its id, where it was let through."""
    definition = TOOLS[tool]
    wanted = GovernedCall(
        definition.upstream,
        Method.TOOL,
        definition.name,
        definition.governed_as,
        definition.sha256,
        arguments,
        stated=stated,
    )

    async def called() -> str | None:
        found = await site.desk.calls.admit(await site.agents.enrol(agent), wanted, None)
        if not isinstance(found, Admitted):
            return None
        if ended is not None:
            await site.desk.calls.finish(found.call_id, ended)
        return found.call_id

    return site.call(called)


def returned(text: str = "done", *, is_error: bool = False) -> Ended:
    return Ended(
        CallEnd.RETURNED,
        is_error=is_error,
        result={"content": [{"type": "text", "text": text}], "isError": is_error},
    )


def traffic(site: RunningSite) -> str:
    """A hundred reads, some writes, one that failed, one that runs, one held, one denied."""
    put_in_force(site)
    for number in range(100):
        path = {"path": f"/srv/app/config/{number}.toml"}
        call(site, "files__read_text", path, ended=returned("[server]\nport = 8080", is_error=number % 40 == 1))
    stated = Stated("The version has to be the same in both places.", {"cwd": "/srv/app", "session_id": "s-81c2"})
    text = {"path": "/srv/app/version.txt", "text": "2.14.0\nreleased"}
    call(site, "files__write", text, ended=returned("written"), stated=stated)
    call(site, "files__write", {"path": "/etc/hosts", "text": "10.0.0.5 db"}, agent="migrator", ended=returned())
    failed = Ended(CallEnd.FAILED, is_error=True, why="the upstream ended before it answered")
    call(site, "files__write", {"path": "/srv/report.md", "text": "x" * 900}, agent="support-helper", ended=failed)
    call(site, "files__read_text", {"path": "/srv/big.csv"}, agent="support-helper")
    call(site, "payments__send", {"amount": 600, "to": "ACME GmbH", "currency": "EUR"}, agent="billing-bot")
    call(site, "files__drop", {"database": "production"}, agent="migrator")
    call(site, "files__read_text", {"path": "/srv/\u202egnp.exe"}, agent="migrator", ended=returned())
    return "/watch"


def of_one_agent(site: RunningSite) -> str:
    """The feed narrowed down."""
    traffic(site)
    return "/watch?agent=migrator"


def one_by_one(site: RunningSite) -> str:
    """The page of single calls."""
    traffic(site)
    return "/watch/calls"


def nothing(site: RunningSite) -> str:
    """No call came yet."""
    calls.put_in_force(site)
    return "/watch"


def one_call(site: RunningSite) -> str:
    """The page of a call that was noticed."""
    put_in_force(site)
    stated = Stated("The version has to be the same in both places.", {"cwd": "/srv/app", "session_id": "s-81c2"})
    arguments = {"path": "/srv/app/version.txt", "text": "2.14.0\nreleased", "mode": {"append": False, "bits": 420}}
    found = call(site, "files__write", arguments, ended=returned("12 bytes written"), stated=stated)
    return f"/watch/{found}"


def one_denied(site: RunningSite) -> str:
    """The page of a call that was denied."""
    put_in_force(site)
    call(site, "files__drop", {"database": "production"}, agent="migrator")

    async def newest() -> str:
        return (await site.desk.watching.look()).lines[0].newest.id

    return f"/watch/{site.call(newest)}"


def busy(site: RunningSite) -> str:
    """More lines than a page has: many agents with long names, a tool each."""
    put_in_force(site)
    for number in range(60):
        agent = f"agent-of-the-night-shift-in-the-northern-data-centre-{number}"
        call(site, "files__read_text", {"path": f"/srv/{'very/' * 40}{number}"}, agent=agent, ended=returned())
    return "/watch"


def halted(site: RunningSite) -> str:
    """One agent is paused, and another one stopped."""
    traffic(site)

    async def held_back() -> None:
        await site.desk.halts.hold_back("deploy-bot", Halting.PAUSED, by=None, why="Too many writes.")
        await site.desk.halts.hold_back("migrator", Halting.STOPPED, by=None)

    site.call(held_back)
    return "/watch"


def scenes() -> Sequence[tuple[str, Callable[[RunningSite], str]]]:
    """Name and preparation of each."""
    return (
        ("watch", traffic),
        ("watch-empty", nothing),
        ("watch-busy", busy),
        ("watch-halted", halted),
        ("watch-one-agent", of_one_agent),
        ("watch-calls", one_by_one),
        ("watch-call", one_call),
        ("watch-denied", one_denied),
    )
