"""No page takes a password over plain HTTP from another machine, the account's own included; see each page's tests."""

import pytest

from review_web.sessions import cookie_name
from store.people import SignIn
from tests.review_web.house import Browser, House
from tests.stage import PASSWORD

pytestmark = pytest.mark.anyio

NEW = "another long password"


async def signed_in(house: House) -> Browser:
    """A session that was made elsewhere, since signing in is refused here too."""
    secret, _ = await house.people.open_session(await house.add("ana"), SignIn.PASSWORD)
    browser = house.browser()
    browser.client.cookies.set(cookie_name(house.settings), secret, domain="10.0.0.5")
    return browser


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/account/password", {"password": PASSWORD, "new_password": NEW, "new_password_again": NEW}),
        ("/account/confirm", {"password": PASSWORD}),
    ],
)
async def test_the_account_page_takes_no_password_over_an_open_network(
    plain_house: House, path: str, form: dict[str, str]
) -> None:
    browser = await signed_in(plain_house)
    answer = await browser.send_form(path, form)
    assert answer.status_code == 403
    assert "plain HTTP" in answer.text
    assert await plain_house.people.check_password("ana", PASSWORD) is not None
    assert 'type="password"' not in (await browser.open("/account")).text


@pytest.mark.parametrize("path", ["/account/password", "/account/confirm"])
async def test_behind_tls_it_does(tls_house: House, path: str) -> None:
    browser = await tls_house.signed_in()
    form = {"password": PASSWORD, "new_password": NEW, "new_password_again": NEW}
    assert (await browser.send_form(path, form)).status_code == 303
