"""Calls to the provider: to safe addresses only, without redirects, for seconds only, and no more than 256 KiB back.

Everything that comes back was written by somebody else and is read as JSON with one meaning (`store.strict_json`).
"""

import ssl
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
import httpx2

from server.oidc.configuration import is_safe_address
from store.people.identities import ProviderProblem
from store.strict_json import NotStrictJson, read_strict_json

SECONDS = 10.0
LIMIT = 256 * 1024


class Fetching:
    """The one way out. `seconds` is for a whole call, however slowly it drips."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._context: ssl.SSLContext | None = None

    async def get(self, url: str) -> dict[str, Any]:
        """The JSON object at this address.

        Raises:
            ProviderProblem
        """
        return await self._call("GET", url)

    async def post(self, url: str, form: Mapping[str, str], *, auth: tuple[str, str] | None = None) -> dict[str, Any]:
        """What the address answers to this form; `auth` goes as HTTP Basic.

        Raises:
            ProviderProblem
        """
        return await self._call("POST", url, data=dict(form), auth=auth)

    async def _call(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        if not is_safe_address(url):
            raise ProviderProblem(f"{url} is neither https nor this machine, so nothing was sent there")
        try:
            with anyio.fail_after(self._seconds):
                status, body = await self._answer(method, url, options)
        except TimeoutError:
            raise ProviderProblem(f"{url} did not answer within {self._seconds:g} seconds") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as problem:
            raise ProviderProblem(f"{url} cannot be reached: {problem}") from problem
        try:
            value = read_strict_json(body)
        except NotStrictJson as problem:
            raise ProviderProblem(f"{url} answered {status}, and not with JSON: {problem}") from None
        if status != 200 or not isinstance(value, dict):
            error = value.get("error") if isinstance(value, dict) else None
            raise ProviderProblem(f"{url} answered {status}: {str(error)[:100]!r}")
        return value

    async def _answer(self, method: str, url: str, options: Mapping[str, Any]) -> tuple[int, bytes]:
        if self._context is None and url.startswith("https:"):
            # It reads the machine's certificates from files; SSL_CERT_FILE names others.
            self._context = await anyio.to_thread.run_sync(ssl.create_default_context)
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        # A client a call: cookies of the provider are kept nowhere. No proxies or .netrc out of the environment.
        client = httpx2.AsyncClient(verify=self._context or False, trust_env=False, follow_redirects=False)
        async with client, client.stream(method, url, headers=headers, **options) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LIMIT:
                    raise ProviderProblem(f"{url} answered more than {LIMIT // 1024} KiB")
            return response.status_code, bytes(body)
