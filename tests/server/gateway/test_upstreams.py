"""Reaching upstreams over both transports and in both eras of the protocol."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from store.database import Database
from store.policy.upstreams import Upstream
from tests.server.gateway.house import gateway, text_of
from tests.upstreams.running import everything, over_http

pytestmark = pytest.mark.anyio
KINDS = [(kind, era) for kind in ("stdio", "http") for era in ("modern", "legacy")]


@contextmanager
def upstream(kind: str, era: str, folder: Path) -> Iterator[Upstream]:
    if kind == "stdio":
        yield everything("up", folder, era=era)
    else:
        with over_http("up", folder, era=era) as found:
            yield found


@pytest.mark.parametrize(("kind", "era"), KINDS)
async def test_a_call_reaches_an_upstream_of_either_kind_and_either_era(
    database: Database, tmp_path: Path, kind: str, era: str
) -> None:
    with upstream(kind, era, tmp_path / "notes") as up:
        async with gateway(database, tmp_path, up) as house:
            assert text_of(await house.call("up", "echo", text="hello")) == "hello"
            async with house.upstreams.lease("up", "agt_1") as lease:
                assert lease.modern == (era == "modern")
            listing = await house.upstreams.known(within=20, resources=True)
            assert "up__echo" in listing.tools
            assert "up__greeting" in listing.prompts
            assert listing.upstreams_of("test://text") == ("up",)
            assert listing.upstreams_of("test://notes/4") == ("up",)
            assert listing.upstreams_of("test://other") == ()
            print((await house.health("up", "up")).detail)
