from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest

from review_web.settings import SiteSettings
from tests.review_web.house import HOST, LOCAL, ORIGIN, House
from tests.stage import PASSWORD

pytestmark = pytest.mark.anyio


async def get(house: House, path: str, **headers: str) -> httpx2.Response:
    return await house.browser().client.get(path, headers=headers)


# Which addresses are answered


@pytest.mark.parametrize("path", ["/", "/login", "/api/requests", "/static/site.css", "/nowhere"])
async def test_no_route_is_answered_under_a_foreign_host(house: House, path: str) -> None:
    answer = await get(house, path, host="evil.example")
    assert answer.status_code == 421
    assert "public_url" in answer.text


@pytest.mark.parametrize(
    "host", ["assent.localhost", "assent.localhost:74200", "x.assent.localhost:7420", "", "127.0.0.1"]
)
async def test_a_host_that_only_resembles_ours_is_refused(house: House, host: str) -> None:
    assert (await get(house, "/login", host=host)).status_code in (400, 421)


async def test_two_host_headers_are_one_too_many(house: House) -> None:
    request = httpx2.Request("GET", f"{ORIGIN}/login", headers=[("host", HOST), ("host", "evil.example")])
    answer = await house.browser().client.send(request)
    assert answer.status_code == 400


async def test_a_host_in_capitals_is_the_same_host(house: House) -> None:
    assert (await get(house, "/login", host=HOST.upper())).status_code == 200


async def test_a_page_under_another_of_our_names_leads_to_the_canonical_one_and_keeps_path_and_query(
    house: House,
) -> None:
    answer = await house.browser("http://127.0.0.1:7420").open("/history?q=a%20b&page=2")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{ORIGIN}/history?q=a%20b&page=2"


async def test_a_path_of_many_slashes_cannot_lead_the_redirect_to_another_host(house: House) -> None:
    answer = await house.browser("http://127.0.0.1:7420").open("//evil.example/x")
    assert answer.headers["location"].startswith(f"{ORIGIN}/")


async def test_programs_are_answered_under_every_name_of_ours(house: House) -> None:
    await house.add("ana")
    browser = house.browser("http://127.0.0.1:7420")
    signed_in = await browser.client.post(
        "/login", data={"username": "ana", "password": PASSWORD}, headers={"origin": "http://127.0.0.1:7420"}
    )
    listed = await browser.client.get("/api/requests")
    assert (signed_in.status_code, listed.status_code) == (303, 200)


async def test_a_browser_reading_json_under_another_name_is_not_redirected(house: House) -> None:
    assert (await house.browser("http://127.0.0.1:7420").open("/api/requests")).status_code == 401


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server/mcp"]
)
@pytest.mark.parametrize("base", [ORIGIN, "http://127.0.0.1:7420"])
async def test_a_client_that_probes_for_an_authorization_server_finds_nothing(
    house: House, path: str, base: str
) -> None:
    answer = await house.browser(base).open(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


# What every answer carries


@pytest.mark.parametrize("path", ["/login", "/", "/nowhere", "/api/requests", "/setup", "/static/passkeys.js"])
async def test_every_answer_carries_the_headers(house: House, path: str) -> None:
    answer = await house.browser().open(path)
    policy = answer.headers["content-security-policy"]
    for rule in (
        "default-src 'none'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types htmx service-worker",
    ):
        assert rule in policy.split("; ")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]


async def test_a_refused_host_carries_the_headers_too(house: House) -> None:
    answer = await get(house, "/login", host="evil.example")
    assert "content-security-policy" in answer.headers


async def test_each_page_has_a_nonce_of_its_own_and_its_scripts_carry_it(house: House) -> None:
    first, second = [await house.browser().open("/login") for _ in range(2)]
    nonces = [page.headers["content-security-policy"].split("'nonce-")[1].split("'")[0] for page in (first, second)]
    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0]}"' in first.text


async def test_pages_are_never_kept_by_caches(house: House) -> None:
    assert (await house.browser().open("/login")).headers["cache-control"] == "no-store"


async def test_a_static_file_of_a_named_version_is_kept_for_good(house: House) -> None:
    answer = await get(house, "/static/passkeys.js?v=1.2.3")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("query", ["", "?v=", "?v=1.2.2"])
async def test_a_static_file_of_another_version_or_none_is_asked_for_again(house: House, query: str) -> None:
    assert (await get(house, f"/static/passkeys.js{query}")).headers["cache-control"] == "no-cache"


async def test_a_static_file_of_an_unreleased_version_is_asked_for_again(
    house_with: Callable[[SiteSettings], House],
) -> None:
    house = house_with(replace(LOCAL, version="0+source"))
    assert (await get(house, "/static/passkeys.js?v=0+source")).headers["cache-control"] == "no-cache"


async def test_the_static_folder_leads_nowhere_else(house: House) -> None:
    assert (await get(house, "/static/../settings.py")).status_code == 404
    assert (await get(house, "/static/%2e%2e/settings.py")).status_code == 404


# Who may write


async def write(house: House, **headers: str) -> int:
    await house.add("ana")
    answer = await house.browser().client.post(
        "/login", data={"username": "ana", "password": PASSWORD}, headers=headers
    )
    return answer.status_code


async def test_our_own_page_may_write(house: House) -> None:
    assert await write(house, **{"sec-fetch-site": "same-origin"}) == 303


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
async def test_another_site_may_not_write_even_with_our_origin(house: House, site: str) -> None:
    assert await write(house, **{"sec-fetch-site": site, "origin": ORIGIN}) == 403


async def test_without_fetch_metadata_our_exact_origin_may_write(house: House) -> None:
    assert await write(house, origin=ORIGIN) == 303


@pytest.mark.parametrize(
    "origin",
    ["null", "http://assent.localhost", "https://assent.localhost:7420", "http://127.0.0.1:7420", f"{ORIGIN}/"],
)
async def test_without_fetch_metadata_any_other_origin_may_not_write(house: House, origin: str) -> None:
    assert await write(house, origin=origin) == 403


async def test_a_script_that_does_not_say_where_it_comes_from_may_sign_in_and_write_nothing_else(
    house: House,
) -> None:
    assert await write(house) == 303
    for path in ("/logout", "/setup", "/api/requests/req_1/decision", "/account/password"):
        assert (await house.browser().client.post(path)).status_code == 403


async def test_a_call_with_a_cookie_that_does_not_say_where_it_comes_from_may_not_sign_in(house: House) -> None:
    assert await write(house, cookie="theme=dark") == 403


async def test_a_typed_address_needs_our_origin_to_write(house: House) -> None:
    assert await write(house, **{"sec-fetch-site": "none"}) == 403


async def test_behind_tls_the_public_origin_may_write_though_the_proxy_speaks_plain_http(tls_house: House) -> None:
    await tls_house.add("ana")
    browser = tls_house.browser("http://consent.example.org")
    form = {"username": "ana", "password": PASSWORD}
    right = await browser.client.post("/login", data=form, headers={"origin": "https://consent.example.org"})
    wrong = await browser.client.post("/login", data=form, headers={"origin": "http://consent.example.org"})
    assert (right.status_code, wrong.status_code) == (303, 403)


# Who may read


async def test_a_link_on_another_site_may_open_a_page(house: House) -> None:
    assert (await house.browser().open("/login", site="cross-site")).status_code == 200


@pytest.mark.parametrize("into", ["iframe", "image", "empty", "script"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_may_not_load_a_page_where_nobody_looks(house: House, site: str, into: str) -> None:
    mode = "navigate" if into == "iframe" else "no-cors"
    answer = await house.browser().open("/login", site=site, **{"sec-fetch-dest": into, "sec-fetch-mode": mode})
    assert answer.status_code == 403


async def test_another_origin_may_not_read_without_fetch_metadata_either(house: House) -> None:
    assert (await get(house, "/login", origin="http://127.0.0.1:3000")).status_code == 403


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender"])
async def test_a_page_is_not_loaded_before_somebody_looks(house: House, purpose: str) -> None:
    assert (await house.browser().open("/login", **{"sec-purpose": purpose})).status_code == 503


async def test_a_body_beyond_every_limit_is_refused(house: House) -> None:
    answer = await house.browser().send_form("/login", {"username": "x" * (5 * 1024 * 1024)})
    assert answer.status_code == 413
