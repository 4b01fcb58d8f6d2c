"""What a person types into a password field is nowhere afterwards: on no disk, in no answer, nowhere in the browser.

The story is in scenario.py and runs once; here each place is searched for each secret, in every form of forms.py.
"""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from server.config import load
from server.durable import open_database
from store.agents import Agents
from store.vault.credentials import open_credential
from store.vault.keys import open_key_file
from tests.secrecy.forms import forms, found_in
from tests.secrecy.haul import Haul
from tests.secrecy.scenario import SECRETS, SENT, TYPED, lived_through
from tests.server.house import PASSWORD, House, house_in

pytestmark = pytest.mark.browser

PLACES = ["home", "home while it runs", "output", "process", "agent", "answer", "address", "browser", "profile"]
TOKENS = ["agent token", "reviewer token", "session cookie", "setup token"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = house_in(tmp_path_factory.mktemp("secrecy"))
    yield house
    house.clear()


@pytest.fixture(scope="module")
def haul(house: House, tmp_path_factory: pytest.TempPathFactory) -> Haul:
    return lived_through(house, tmp_path_factory.mktemp("besides"))


def leaks(haul: Haul, places: list[str], secrets: list[str]) -> list[str]:
    return [
        f"{secret!r}, as {form}, in {place}: {name}"
        for place in places
        for name, content in haul.places.get(place, {}).items()
        for secret in secrets
        for form in found_in(content, secret)
    ]


@pytest.mark.parametrize("place", PLACES)
def test_no_typed_secret_is_left_in(haul: Haul, place: str) -> None:
    if place != "process" or Path("/proc/self/environ").exists():
        assert haul.places[place] != {}
    assert leaks(haul, [place], list(SECRETS)) == []


def test_the_reviewers_own_password_is_nowhere_either(haul: Haul) -> None:
    assert leaks(haul, PLACES, [PASSWORD]) == []


@pytest.mark.parametrize("token", TOKENS)
def test_no_token_or_cookie_is_left_in_clear_in_the_home_or_the_output(haul: Haul, token: str) -> None:
    assert leaks(haul, ["home", "home while it runs", "output", "process", "agent"], [haul.tokens[token]]) == []


def test_a_password_does_not_come_back_into_the_form_with_the_back_button(haul: Haul) -> None:
    assert haul.form_values == ["", "", "", ""]


def test_the_browser_was_answered_as_each_act_was_meant_to_end(haul: Haul) -> None:
    by_hand, by_program = haul.statuses[:3], haul.statuses[3:]
    assert by_hand == [422, 500, 303]
    assert by_program == [422] * 6 + [400, 500, 200, 409]


def test_the_agent_got_handles_and_they_open_the_typed_secrets(haul: Haul, house: House) -> None:
    first, again, second, again_second = haul.handles
    assert (first, second) == (again, again_second)
    keys = open_key_file(house.home.key_file, make=False)
    with closing(open_database(load({"home": house.home.path}, {}))) as database:

        def secret_of(handle: str) -> str | None:
            return database.read_now(
                lambda c: open_credential(c, keys, origin=database.origin, agent_id=agent.id, handle=handle)
            )

        [agent] = anyio.run(Agents(database).list)
        assert [secret_of(first), secret_of(second)] == [TYPED, SENT]


def test_the_server_did_fail_with_a_secret_in_its_hands_and_said_so_in_its_log(haul: Haul) -> None:
    [log] = [content for name, content in haul.places["output"].items() if name.endswith("stderr")]
    assert log.count(b"the disk is on fire") >= 2
    assert b"Traceback" in log


def test_the_server_was_as_talkative_as_it_can_be(haul: Haul) -> None:
    # Read from the process itself, where the system shows it.
    shown = [content for name, content in haul.places.get("process", {}).items() if name.endswith("cmdline")]
    assert all(b"--log-level\0debug\0" in content for content in shown)


@pytest.mark.parametrize("form", forms(TYPED))
def test_a_secret_would_be_noticed_in_every_form(form: str) -> None:
    haul = Haul()
    haul.keep("home", "a file", b"some words before " + forms(TYPED)[form] + b" and after")

    assert leaks(haul, ["home"], [SENT]) == []
    assert leaks(haul, ["home"], [TYPED]) != []


@pytest.mark.parametrize("user", ["a", "ab", "abc"])
def test_a_secret_in_an_authorization_header_would_be_noticed(user: str) -> None:
    haul = Haul()
    haul.keep("home", "a file", b"Authorization: Basic " + b64encode(f"{user}:{TYPED}".encode()))

    assert leaks(haul, ["home"], [TYPED]) != []
