"""Asks the server in this container whether it answers and can write: exit 0 if so. Needs the standard library only."""

import os
import ssl
import sys
from urllib.error import URLError
from urllib.request import HTTPSHandler as Https
from urllib.request import ProxyHandler, build_opener

SECONDS = 4


def main() -> int:
    port = os.environ.get("ASSENT_PORT", "7420")
    scheme = "https" if os.environ.get("ASSENT_TLS_CERT") else "http"
    # Its certificate names the public address, not this one; nobody stands between this process and loopback.
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        with build_opener(ProxyHandler({}), Https(context=unverified)).open(
            f"{scheme}://127.0.0.1:{port}/healthz", timeout=SECONDS
        ) as answer:
            return 0 if answer.status == 200 else 1
    except (URLError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
