"""Pages of somebody else in the browser of a person who is signed in: on another port, under our name and others.

That such a page also gets our cookie, when it is under our name, is what `tests/hostile/test_another_user.py` is about.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import anyio
import pytest
import uvicorn
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from store.lifecycle import Surface
from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser


@dataclass
class Elsewhere:
    """A web server of an attacker's. It answers under every name of this machine, and keeps what browsers send it."""

    port: int = 0
    page: str = ""

    async def answer(self, request: Request) -> Response:
        return HTMLResponse(f"<!doctype html><title>Nice things</title><body>{self.page}</body>")


@pytest.fixture
def windows(chromium: Browser, site: RunningSite) -> Iterator[Windows]:
    """Windows whose console may complain: what these pages try is refused."""
    windows = Windows(chromium, site)
    yield windows
    for context in windows.contexts:
        context.close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    found = Elsewhere()
    app = Starlette(routes=[Route("/{path:path}", found.answer)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1))

    async def listening() -> int:
        while not server.started:  # noqa: ASYNC110  # uvicorn says it in no other way
            await anyio.sleep(0.01)
        port: int = server.servers[0].sockets[0].getsockname()[1]
        return port

    with start_blocking_portal() as portal:
        serving = portal.start_task_soon(server.serve)
        found.port = portal.call(listening)
        yield found
        server.should_exit = True
        serving.result()


def lure(page: Page, elsewhere: Elsewhere, host: str, content: str) -> None:
    """The person opens the attacker's page."""
    elsewhere.page = content
    page.goto(f"http://{host}:{elsewhere.port}/")


def untouched(site: RunningSite, request_id: str) -> bool:
    view = site.call(lambda: site.desk.view(request_id))
    return view is not None and (view.state, view.outcome) in (("pending", None), ("shown", None))


NAMES = pytest.mark.parametrize("host", ["assent.localhost", "localhost", "127.0.0.1"])


@NAMES
def test_a_card_in_somebody_elses_frame_shows_nothing_and_counts_as_shown_to_nobody(
    site: RunningSite, windows: Windows, elsewhere: Elsewhere, host: str
) -> None:
    page = windows.open()
    request_id = site.ask(samples.APPROVAL)
    lure(page, elsewhere, host, f'<iframe id="card" src="{site.origin}/requests/{request_id}"></iframe>')
    page.wait_for_load_state("networkidle")
    (frame,) = [frame for frame in page.frames if frame != page.main_frame]
    assert frame.get_by_role("button").count() == 0
    view = site.call(lambda: site.desk.view(request_id))
    assert view is not None
    assert view.state == "pending"


FORM = """
<form id="f" method="post" action="{origin}/{path}" enctype="{enctype}" target="{target}">
<input name="card_sha256" value="{card}"><input name="action" value="option:approve">
<input name="decision" value="approve"></form><iframe name="hidden"></iframe>
"""


@NAMES
@pytest.mark.parametrize("path", ["requests/{id}/decision", "api/requests/{id}/decision"])
@pytest.mark.parametrize("enctype", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_form_of_somebody_elses_page_decides_nothing(
    site: RunningSite, windows: Windows, elsewhere: Elsewhere, host: str, path: str, enctype: str
) -> None:
    page = windows.open()
    request_id = site.ask(samples.APPROVAL)
    card = shown(site, request_id)
    form = {"origin": site.origin, "path": path.format(id=request_id), "enctype": enctype, "card": card}
    for target in ("hidden", "_self"):
        lure(page, elsewhere, host, FORM.format(**form, target=target))
        with page.expect_response(lambda answer: "decision" in answer.url) as answered:
            page.evaluate("document.getElementById('f').submit()")
        assert answered.value.status in (403, 404), answered.value.status
    assert untouched(site, request_id)


SCRIPT = """async ([origin, id, card]) => {
  const tried = [];
  const body = JSON.stringify({card_sha256: card, decision: "approve"});
  const sends = [
    [`/api/requests/${id}/decision`, {method: "POST", body, headers: {"content-type": "application/json"}}],
    [`/api/requests/${id}/decision`, {method: "POST", body, mode: "no-cors"}],
    [`/api/requests/${id}`, {}], [`/api/requests`, {}], [`/requests/${id}`, {}], ["/", {mode: "no-cors"}],
  ];
  for (const [path, init] of sends) {
    try {
      const answer = await fetch(origin + path, {credentials: "include", ...init});
      tried.push(answer.type === "opaque" ? "" : await answer.text());
    } catch { tried.push(""); }
  }
  const opened = window.open(`${origin}/requests/${id}`);
  await new Promise((done) => { const i = document.createElement("iframe"); i.onload = done; i.src = origin;
                                document.body.append(i); });
  try { tried.push(opened ? opened.document.body.innerText : ""); } catch { tried.push(""); }
  return tried;
}"""


@NAMES
def test_a_script_of_somebody_elses_page_reads_and_decides_nothing(
    site: RunningSite, windows: Windows, elsewhere: Elsewhere, host: str
) -> None:
    page = windows.open()
    request_id = site.ask(samples.APPROVAL)
    card = shown(site, request_id)
    lure(page, elsewhere, host, "")
    assert set(page.evaluate(SCRIPT, [site.origin, request_id, card])) == {""}
    assert untouched(site, request_id)


def shown(site: RunningSite, request_id: str) -> str:
    """Ana was shown the card before; its hash."""
    ana = site.reviewer()
    view = site.call(lambda: site.desk.show(ana, request_id, Surface.RENDERED_PAGE))
    assert view is not None
    return view.card_sha256
