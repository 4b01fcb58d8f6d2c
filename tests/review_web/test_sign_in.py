from collections.abc import Callable
from dataclasses import replace

import pytest

from review_web.settings import SiteSettings
from store.people import SignIn
from tests.review_web.house import ORIGIN, PLAIN_NETWORK, House
from tests.stage import PASSWORD

pytestmark = pytest.mark.anyio


async def test_the_right_name_and_password_sign_in_and_lead_to_the_inbox(house: House) -> None:
    ana = await house.add("ana")
    browser = house.browser()
    answer = await browser.sign_in("ana")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    (session,) = await house.people.sessions(ana.id)
    assert (session.reviewer, session.method) == (ana, SignIn.PASSWORD)
    assert (await browser.open("/account")).status_code == 200


async def test_a_wrong_password_and_an_unknown_name_get_one_answer_and_no_session(house: House) -> None:
    ana = await house.add("ana")
    browser = house.browser()
    wrong = await browser.sign_in("ana", "not her password")
    unknown = await browser.sign_in("eve", "not her password")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert without_what_differs(wrong.text, "ana") == without_what_differs(unknown.text, "eve")
    assert "set-cookie" not in wrong.headers
    assert await house.people.sessions(ana.id) == []


def without_what_differs(page: str, name: str) -> str:
    page = page.replace(f'value="{name}"', "")
    parts = page.split('nonce="')
    return parts[0] + "".join(part.partition('"')[2] for part in parts[1:])


async def test_a_failed_sign_in_keeps_the_name_and_the_way_back_and_never_the_password(house: House) -> None:
    await house.add("ana")
    form = {"username": "ana", "password": "hunter2-hunter2", "next": "/requests/req_1"}
    page = (await house.browser().send_form("/login", form)).text
    assert 'value="ana"' in page
    assert 'value="/requests/req_1"' in page
    assert "hunter2" not in page


async def test_an_account_without_a_password_cannot_be_signed_in_to_with_one(house: House) -> None:
    await house.add("ana", password=None)
    assert (await house.browser().sign_in("ana", "")).status_code == 401


async def test_after_ten_failures_even_the_right_password_waits(house: House) -> None:
    await house.add("ana")
    browser = house.browser()
    for _ in range(10):
        assert (await browser.sign_in("ana", "wrong")).status_code == 401
    answer = await browser.sign_in("ana")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 600
    assert "Try again in" in answer.text


async def test_sixty_failures_from_one_address_stop_that_address_only(house: House) -> None:
    await house.add("ana")
    for number in range(60):
        await house.browser(address="192.0.2.1").sign_in(f"name-{number}", "wrong")
    assert (await house.browser(address="192.0.2.1").sign_in("ana")).status_code == 429
    assert (await house.browser(address="192.0.2.2").sign_in("ana")).status_code == 303


# Where a sign-in leads


@pytest.mark.parametrize("path", ["/requests/req_1", "/history?q=a%20b", "/"])
async def test_a_sign_in_leads_back_to_the_page_that_was_asked_for(house: House, path: str) -> None:
    await house.add("ana")
    answer = await house.browser().send_form("/login", {"username": "ana", "password": PASSWORD, "next": path})
    assert answer.headers["location"] == path


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/login?next=/login",
        "/logout",
        "/api/requests",
        "",
        "evil.example",
    ],
)
async def test_a_sign_in_leads_to_no_other_place(house: House, path: str) -> None:
    await house.add("ana")
    browser = house.browser()
    answer = await browser.send_form("/login", {"username": "ana", "password": PASSWORD, "next": path})
    assert answer.headers["location"] == "/"


async def test_a_stranger_is_led_to_the_sign_in_page_and_remembers_where_to(house: House) -> None:
    answer = await house.browser().open("/requests/req_1?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/requests/req_1%3Fx%3D1")


async def test_a_form_sent_after_the_session_ended_leads_back_to_its_page(house: House) -> None:
    headers = {"referer": f"{ORIGIN}/requests/req_1"}
    answer = await house.browser().send_form("/requests/req_1/decision", {"action": "decline"}, **headers)
    assert answer.headers["location"] == "/login?next=/requests/req_1"


async def test_htmx_is_told_to_leave_the_page_of_an_ended_session(house: House) -> None:
    answer = await house.browser().open("/", **{"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=/")


async def test_a_stranger_from_a_link_elsewhere_opens_the_page_anew_with_the_cookie(house: House) -> None:
    answer = await house.browser().open("/requests/req_1?x=1", site="cross-site")
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/requests/req_1?x=1">' in answer.text


async def test_whoever_is_signed_in_needs_no_sign_in_page(house: House) -> None:
    browser = await house.signed_in()
    answer = await browser.open("/login?next=/history")
    assert (answer.status_code, answer.headers["location"]) == (303, "/history")


async def test_before_anybody_has_an_account_the_page_says_how_to_get_a_link_and_never_the_link(house: House) -> None:
    token = await house.people.create_setup_link()
    page = (await house.browser().open("/login")).text
    assert "assent open --print" in page
    assert token not in page
    assert "/setup?" not in page


# The cookie


async def test_on_one_machine_the_cookie_is_bound_to_the_port_by_its_name(house: House) -> None:
    await house.add("ana")
    cookie = (await house.browser().sign_in("ana")).headers["set-cookie"]
    assert cookie.startswith("assent-7420=")
    assert set(cookie.split("; ")[1:]) == {"HttpOnly", "Max-Age=604800", "Path=/", "SameSite=strict"}


async def test_behind_tls_the_cookie_is_bound_to_the_host(tls_house: House) -> None:
    await tls_house.add("ana")
    cookie = (await tls_house.browser().sign_in("ana")).headers["set-cookie"]
    assert cookie.startswith("__Host-assent=")
    assert set(cookie.split("; ")[1:]) == {"HttpOnly", "Max-Age=604800", "Path=/", "SameSite=strict", "Secure"}


async def test_signing_in_again_ends_the_session_before(house: House) -> None:
    browser = await house.signed_in("ana")
    (before,) = [cookie.value for cookie in browser.client.cookies.jar]
    await browser.sign_in("ana")
    assert before is not None
    assert await house.people.session(before) is None


async def test_a_cookie_that_was_never_given_out_is_nobody(house: House) -> None:
    browser = house.browser()
    browser.client.cookies.set("assent-7420", "ses_made_up", domain="assent.localhost")
    assert (await browser.open("/account")).status_code == 303


async def test_an_idle_session_ends(house: House) -> None:
    browser = await house.signed_in()
    house.clock.advance(hours=12)
    assert (await browser.open("/account")).status_code == 303


# Signing out


async def test_signing_out_ends_the_session_for_good(house: House) -> None:
    browser = await house.signed_in()
    (secret,) = [cookie.value for cookie in browser.client.cookies.jar]
    answer = await browser.send_form("/logout", {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert secret is not None
    assert await house.people.session(secret) is None
    assert (await browser.open("/account")).status_code == 303


async def test_a_link_cannot_sign_anybody_out(house: House) -> None:
    browser = await house.signed_in()
    assert (await browser.open("/logout")).status_code == 405
    assert (await browser.open("/account")).status_code == 200


# Passwords on the wire


async def test_a_password_is_not_taken_over_plain_http_from_another_machine(plain_house: House) -> None:
    await plain_house.add("ana")
    browser = plain_house.browser()
    answer = await browser.sign_in("ana")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert 'type="password"' not in (await browser.open("/login")).text


async def test_a_password_is_taken_behind_tls(tls_house: House) -> None:
    await tls_house.add("ana")
    assert (await tls_house.browser().sign_in("ana")).status_code == 303


async def test_a_password_is_taken_over_plain_http_where_the_settings_say_so(
    house_with: Callable[[SiteSettings], House],
) -> None:
    house = house_with(replace(PLAIN_NETWORK, password_over_plain_http_ok=True))
    await house.add("ana")
    assert (await house.browser().sign_in("ana")).status_code == 303
