"""The life of typed secrets: a real server at its most talkative, a real browser, a real agent, and what they keep."""

import json
import sqlite3
import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

from tests.repository import ROOT
from tests.secrecy.haul import Haul
from tests.server.house import PASSWORD, House
from tests.server.serving import LEGACY, MODERN
from tests.server.talking import command, environment, run

FIELDS = [
    {"name": "pin", "label": "The password", "type": "password", "required": True},
    # A limit that the server looks at and the browser does not: a mistake must get as far as the server.
    {"name": "note", "label": "The note", "min": 5},
]
BOOM = "CREATE TRIGGER boom BEFORE INSERT ON credentials BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END"


def secret(of: str) -> str:
    """A password for one use, with every character that some encoding changes."""
    return f'{of}/"Pässwörd"+%&<x> ~{of[::-1]}'


LEFT, TYPED, MISTAKEN, CRASHED = secret("left"), secret("typed"), secret("mistaken"), secret("crashed")
SENT, MALFORMED, CRASHED_SENT = secret("sent"), secret("malformed"), secret("crashed-sent")
SECRETS = (LEFT, TYPED, MISTAKEN, CRASHED, SENT, MALFORMED, CRASHED_SENT)


class Asking(threading.Thread):
    """An agent that asks one form and waits; then it reads the answer once more."""

    def __init__(self, endpoint: str, token: str, title: str, era: str) -> None:
        super().__init__(daemon=True)
        self._endpoint, self._token, self._title, self._era = endpoint, token, title, era
        self.said: list[Any] = []
        self.start()

    def run(self) -> None:
        anyio.run(self._asked)

    async def _asked(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False) as http:
            transport = streamable_http_client(f"{self._endpoint}/mcp", http_client=http)
            async with Client(transport, mode=self._era, cache=None) as client:
                form = {"title": self._title, "fields": FIELDS, "hold_seconds": 100}
                answer = await client.call_tool("ask_form", form)
                self.said.append(answer.model_dump(mode="json"))
                request = {"request_id": (answer.structured_content or {})["request_id"]}
                self.said.append((await client.call_tool("await_review", request)).model_dump(mode="json"))

    def answers(self) -> list[Any]:
        """Everything it was told, once it has been."""
        self.join(timeout=60)
        assert len(self.said) == 2, "the agent got no answer"
        return self.said


@contextmanager
def served(house: House, folder: Path, haul: Haul) -> Iterator[dict[str, Any]]:
    """A server that logs all it can; what it says, and what the system shows of its process, are kept."""
    stderr = folder / "stderr"
    with stderr.open("wb") as errors:
        process = subprocess.Popen(
            command("serve", "--json", "--log-level", "debug", *house.flags),
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(),
        )
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            haul.keep("output", "stdout's first line", first)
            yield json.loads(first)
            for name in ("environ", "cmdline"):
                if (shown := Path(f"/proc/{process.pid}/{name}")).exists():
                    haul.keep("process", name, shown.read_bytes())
        finally:
            process.terminate()
            haul.keep("output", "stdout", process.stdout.read())
            process.stdout.close()
            process.wait(timeout=30)
    haul.keep("output", "stderr", stderr.read_bytes())


@contextmanager
def browser(folder: Path, haul: Haul) -> Iterator[BrowserContext]:
    """A browser with a profile on disk. What it was answered, and what it wrote to that disk, are kept."""
    found = subprocess.run([ROOT / "scripts" / "chromium"], check=True, capture_output=True, text=True)
    har = folder / "har.json"
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=found.stdout.strip(),
            args=["--no-sandbox"],
            # A page that comes back from this cache comes back with what was typed into it.
            ignore_default_args=["--disable-back-forward-cache"],
            record_har_path=har,
            record_har_content="embed",
        )
        yield context
        context.close()
    for entry in json.loads(har.read_text("utf-8"))["log"]["entries"]:
        haul.keep("address", entry["request"]["method"], entry["request"]["url"])
        content = entry["response"]["content"]
        body = content.get("text", "").encode()
        haul.keep("answer", entry["request"]["url"], b64decode(body) if content.get("encoding") == "base64" else body)
        haul.keep("answer", f"headers of {entry['request']['url']}", entry["response"]["headers"])
        if entry["request"]["method"] == "POST" and entry["request"]["url"].endswith("/decision"):
            haul.statuses.append(entry["response"]["status"])
    haul.keep_files("profile", folder / "profile")


@contextmanager
def writing_fails(house: House) -> Iterator[None]:
    """While the block runs no secret can be stored: the server fails with one in its hands."""
    with closing(sqlite3.connect(house.home.database_file)) as connection:
        connection.execute(BOOM)
        yield
        connection.execute("DROP TRIGGER boom")


def lived_through(house: House, folder: Path) -> Haul:
    """The story; each act leaves secrets in other hands."""
    haul = Haul()
    with served(house, folder, haul) as said, browser(folder, haul) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        _set_up(house, page, haul)
        haul.tokens["agent token"] = _said(run("agent", "add", "deploy-bot", "--json", *house.flags))["token"]
        haul.tokens["reviewer token"] = _said(run("user", "token", "ada", "--json", *house.flags))["token"]
        _by_hand(house, page, haul, said["endpoint"])
        _by_program(house, page, haul, said["endpoint"])
        _read_everything(page, haul)
        _look_into(page, haul)
        [cookie] = [c["value"] for c in context.cookies() if c["name"].startswith("assent")]
        haul.tokens["session cookie"] = cookie
        haul.keep_files("home while it runs", house.home.path)
    haul.keep_files("home", house.home.path)
    return haul


def _said(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def _set_up(house: House, page: Page, haul: Haul) -> None:
    """The first account, by its link; then signed out, and in again."""
    url = _said(run("open", "--print", "--json", *house.flags))["url"]
    haul.tokens["setup token"] = parse_qs(urlsplit(url).query)["token"][0]
    page.goto(url)
    page.locator("[name=username]").fill("ada")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password_again]").fill(PASSWORD)
    page.locator("main form button").last.click()
    page.wait_for_url("**/account*")
    page.context.clear_cookies()
    page.goto(f"{house.running.url}/login")
    page.locator("[name=password]").fill(PASSWORD)
    page.goto(f"{house.running.url}/login?next=/")
    _back(page, haul, page.locator("[name=password]"))
    page.locator("[name=username]").fill("ada")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    page.wait_for_url(f"{house.running.url}/")


def _by_hand(house: House, page: Page, haul: Haul, endpoint: str) -> None:
    """A password is typed and left, sent with a mistake beside it, sent while the server fails, and sent well."""
    agent = Asking(endpoint, haul.tokens["agent token"], "By hand", MODERN)
    card = _card(page, "By hand")
    page.goto(card)
    page.get_by_label("The password").fill(LEFT)
    page.get_by_role("link", name="History").click()
    page.wait_for_url("**/history")
    _back(page, haul, page.get_by_label("The password"))
    for password, note, trouble in (
        (MISTAKEN, "no", _none),
        (CRASHED, "a note", writing_fails),
        (TYPED, "a note", _none),
    ):
        page.goto(card)
        page.get_by_label("The password").fill(password)
        page.get_by_label("The note").fill(note)
        with trouble(house), page.expect_navigation():
            page.get_by_role("button", name="Send form").click()
        _look_into(page, haul)
        if password is not TYPED:
            _back(page, haul, page.get_by_label("The password"))
    expect(page.get_by_role("heading", name="Answered")).to_be_visible()
    _tell(haul, agent)


def _back(page: Page, haul: Haul, box: Locator) -> None:
    """Back to where a password was typed, by the browser's button."""
    # A page that comes out of the browser's cache is complete at once, and never says that it was loaded.
    page.go_back(wait_until="commit")
    haul.form_values.append(box.input_value())
    _look_into(page, haul)


def _by_program(house: House, page: Page, haul: Haul, endpoint: str) -> None:
    """The same by the JSON interface, in the browser's session: malformed in several ways, while it fails, and well."""
    agent = Asking(endpoint, haul.tokens["agent token"], "By program", LEGACY)
    address = "/api" + urlsplit(_card(page, "By program")).path
    good = {
        "card_sha256": json.loads(_fetched(page, address)["body"])["card_sha256"],
        "values": {"pin": SENT, "note": "a note"},
    }

    def send(body: Any, status: int) -> None:
        answer = _fetched(page, f"{address}/decision", body if isinstance(body, str) else json.dumps(body))
        assert answer["status"] == status, answer
        haul.keep("answer", f"{status} to a program", answer)

    for values in (MALFORMED, [MALFORMED], {"pin": {"pin": MALFORMED}}, {"pin": MALFORMED, "note": [MALFORMED]}):
        send({**good, "values": values}, 422)
    send({**good, "values": {"pin": MALFORMED, "nip": MALFORMED}}, 422)
    send({**good, "password": MALFORMED}, 422)
    send(json.dumps({**good, "values": {"pin": MALFORMED}})[:-1], 400)
    with writing_fails(house):
        send({**good, "values": {"pin": CRASHED_SENT, "note": "a note"}}, 500)
    send(good, 200)
    send({**good, "values": {"pin": MALFORMED, "note": "a note"}}, 409)
    _tell(haul, agent)


def _tell(haul: Haul, agent: Asking) -> None:
    for answer in agent.answers():
        haul.keep("agent", "what a tool returned", answer)
        haul.handles.append(answer["structured_content"]["credentials"]["pin"])


def _read_everything(page: Page, haul: Haul) -> None:
    """Whatever shows an answered request, to a person and to a program."""
    for title in ("By hand", "By program"):
        page.goto("/".join(page.url.split("/")[:3]) + "/history")
        page.get_by_role("link", name=title).first.click()
        expect(page.get_by_role("heading", name="Answered")).to_be_visible()
        _look_into(page, haul)
        detail = f"/api{urlsplit(page.url).path}"
        for path in (detail, "/api/requests?state=all", "/", "/history", "/account", "/healthz", "/metrics"):
            haul.keep("answer", path, _fetched(page, path))


_FETCH = """async ([path, body]) => {
  const options = body === null ? {} : {method: "POST", headers: {"content-type": "application/json"}, body};
  const answer = await fetch(path, options);
  return {status: answer.status, headers: [...answer.headers], body: await answer.text()};
}"""
_STORES = """async () => ({
  local: {...localStorage}, session: {...sessionStorage}, state: history.state, cookies: document.cookie,
  databases: await indexedDB.databases(), caches: await caches.keys(), name: window.name, text: document.body.innerText,
})"""


def _fetched(page: Page, path: str, body: str | None = None) -> dict[str, Any]:
    """What a script of the page is answered, session and all."""
    answer: dict[str, Any] = page.evaluate(_FETCH, [path, body])
    return answer


def _look_into(page: Page, haul: Haul) -> None:
    """What the page holds, shows and has stored just now."""
    page.wait_for_function("document.readyState === 'complete'")
    haul.keep("browser", page.url, page.content())
    haul.keep("browser", f"stores of {page.url}", page.evaluate(_STORES))
    haul.keep("browser", f"cookies of {page.url}", [{**cookie} for cookie in page.context.cookies()])


def _card(page: Page, title: str) -> str:
    """The address of the card with that title, once it is in the inbox."""
    origin = "/".join(page.url.split("/")[:3])
    row = page.get_by_role("link", name=title)
    for _ in range(200):
        page.goto(origin)
        if row.count():
            return origin + (row.first.get_attribute("href") or "")
    raise AssertionError(f"no card came that is titled {title}")


@contextmanager
def _none(house: House) -> Iterator[None]:
    yield
