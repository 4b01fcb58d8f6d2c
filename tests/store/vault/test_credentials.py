import hashlib
import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from store import tables
from store.agents import Agent
from store.database import Database
from store.desk import Desk
from store.problems import CredentialProblem, KeyProblem
from store.vault.credentials import (
    Credential,
    Credentials,
    any_credentials,
    open_credential,
    require_keys,
    store_credential,
)
from store.vault.keys import Key, KeyFile
from tests.stage import FakeClock, form

pytestmark = pytest.mark.anyio

ORIGIN = "assent.test/log"
SECRET = "correct horse battery staple"
OTHER_KEY = KeyFile(Key(bytes(range(32))), Path("other.key"))


@pytest.fixture
def credentials(database: Database) -> Credentials:
    return Credentials(database)


@pytest.fixture
async def request_id(desk: Desk, bot: Agent) -> str:
    return (await desk.ask(bot, form({"name": "pin", "type": "password"}))).request_id


class Vault:
    """Storing and opening, with this home's key and log."""

    def __init__(self, database: Database, keys: KeyFile, request_id: str) -> None:
        self._database, self._keys, self._request_id = database, keys, request_id

    async def store(self, agent: Agent, field: str = "pin") -> str:
        return await self._database.write(
            lambda change: store_credential(
                change,
                self._keys,
                origin=ORIGIN,
                agent_id=agent.id,
                request_id=self._request_id,
                field=field,
                secret=SECRET,
            )
        )

    async def open(self, agent: Agent, handle: str, *, origin: str = ORIGIN) -> str | None:
        return await self._database.read(
            lambda connection: open_credential(connection, self._keys, origin=origin, agent_id=agent.id, handle=handle)
        )


@pytest.fixture
def vault(database: Database, keys: KeyFile, request_id: str) -> Vault:
    return Vault(database, keys, request_id)


async def test_a_stored_secret_opens_for_its_agent(vault: Vault, bot: Agent) -> None:
    assert await vault.open(bot, await vault.store(bot)) == SECRET


async def test_another_agent_is_answered_as_if_there_were_no_such_handle(
    vault: Vault, bot: Agent, other_bot: Agent
) -> None:
    handle = await vault.store(bot)
    assert await vault.open(other_bot, handle) is None
    assert await vault.open(other_bot, "cred_unknown") is None


async def test_under_another_log_nothing_opens(vault: Vault, bot: Agent) -> None:
    handle = await vault.store(bot)
    with pytest.raises(KeyProblem, match="does not open"):
        await vault.open(bot, handle, origin="other.test/log")


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"targets": ["everywhere"]}, {"kid": "0" * 16}, {"sealed": b"\1" * 60}]
)
async def test_a_changed_row_does_not_open(
    database: Database, vault: Vault, bot: Agent, change: dict[str, object]
) -> None:
    handle = await vault.store(bot)
    await database.write(lambda t: t.connection.execute(update(tables.credentials).values(**change)).rowcount)
    with pytest.raises(KeyProblem):
        await vault.open(bot, handle)


async def test_a_row_given_to_another_agent_does_not_open_for_that_one(
    database: Database, vault: Vault, bot: Agent, other_bot: Agent
) -> None:
    handle = await vault.store(bot)
    await database.write(
        lambda t: t.connection.execute(update(tables.credentials).values(agent_id=other_bot.id)).rowcount
    )
    with pytest.raises(KeyProblem, match="does not open"):
        await vault.open(other_bot, handle)


async def test_the_list_says_everything_but_the_secret(
    credentials: Credentials, vault: Vault, bot: Agent, request_id: str, clock: FakeClock
) -> None:
    handle = await vault.store(bot)
    listed = await credentials.list()
    assert listed == [Credential(handle, "deploy-bot", "pin", request_id, 1, clock.now, None)]
    assert SECRET not in repr(listed)


async def test_a_revoked_credential_is_as_if_it_had_never_been(
    credentials: Credentials, vault: Vault, bot: Agent, clock: FakeClock
) -> None:
    handle, kept = await vault.store(bot), await vault.store(bot)
    clock.advance(minutes=1)
    revoked = await credentials.revoke(handle)
    assert revoked.revoked_at == clock.now
    assert await vault.open(bot, handle) is None
    assert await vault.open(bot, kept) == SECRET
    assert revoked in await credentials.list()


async def test_taking_a_revocation_back_by_hand_brings_no_secret_back(
    database: Database, credentials: Credentials, vault: Vault, bot: Agent
) -> None:
    handle = await vault.store(bot)
    await credentials.revoke(handle)
    await database.write(lambda t: t.connection.execute(update(tables.credentials).values(revoked_at=None)).rowcount)
    with pytest.raises(KeyProblem, match="does not open"):
        await vault.open(bot, handle)


async def test_revoking_twice_writes_nothing(
    database: Database, credentials: Credentials, vault: Vault, bot: Agent, clock: FakeClock
) -> None:
    once = await credentials.revoke(await vault.store(bot))
    clock.advance(minutes=1)
    with pytest.raises(CredentialProblem, match="revoked already"):
        await credentials.revoke(once.handle)
    assert await credentials.list() == [once]


async def test_a_field_s_name_revokes_the_only_credential_of_that_name(
    credentials: Credentials, vault: Vault, bot: Agent
) -> None:
    earlier = await credentials.revoke(await vault.store(bot))
    handle, other = await vault.store(bot), await vault.store(bot, "token")
    assert (await credentials.revoke("pin")).handle == handle
    assert {c.handle for c in await credentials.list() if c.revoked_at} == {earlier.handle, handle}
    assert await vault.open(bot, other) == SECRET


async def test_a_name_that_several_have_revokes_none_and_names_them(
    credentials: Credentials, vault: Vault, bot: Agent, other_bot: Agent
) -> None:
    handles = [await vault.store(bot), await vault.store(other_bot)]
    with pytest.raises(CredentialProblem, match="2 credentials are called pin") as refusal:
        await credentials.revoke("pin")
    assert all(handle in refusal.value.hint for handle in handles)
    assert [c.revoked_at for c in await credentials.list()] == [None, None]


async def test_a_field_named_like_anothers_handle_does_not_stand_in_its_way(
    credentials: Credentials, vault: Vault, bot: Agent, other_bot: Agent
) -> None:
    handle = await vault.store(bot)
    decoy = await vault.store(other_bot, handle)
    assert (await credentials.revoke(handle)).handle == handle
    assert await vault.open(other_bot, decoy) == SECRET


async def test_what_is_not_there_cannot_be_revoked(credentials: Credentials) -> None:
    with pytest.raises(CredentialProblem, match="no credential cred_unknown"):
        await credentials.revoke("cred_unknown")


async def test_the_key_is_needed_while_a_secret_is_in_force(
    database: Database, credentials: Credentials, keys: KeyFile, vault: Vault, bot: Agent
) -> None:
    assert not database.read_now(any_credentials)
    database.read_now(lambda connection: require_keys(connection, OTHER_KEY))
    handle = await vault.store(bot)
    assert database.read_now(any_credentials)
    database.read_now(lambda connection: require_keys(connection, keys))
    with pytest.raises(KeyProblem, match=f"sealed with the key {keys.key.kid}"):
        database.read_now(lambda connection: require_keys(connection, OTHER_KEY))
    await credentials.revoke(handle)
    assert not database.read_now(any_credentials)


async def test_the_log_holds_what_was_stored_and_revoked_and_neither_name_nor_secret(
    database: Database, credentials: Credentials, keys: KeyFile, vault: Vault, bot: Agent, request_id: str
) -> None:
    handle = await vault.store(bot, "pin_of_the_safe")
    sealed = database.read_now(lambda c: c.execute(select(tables.credentials.c.sealed)).scalar_one())
    await credentials.revoke(handle)
    entries = database.read_now(lambda c: list(c.execute(select(tables.log_entries.c.data)).scalars()))
    stored, revoked = (json.loads(entry) for entry in entries if handle.encode() in entry)

    assert {name: stored[name] for name in ("type", "version", "request", "agent", "kid", "ciphertext_sha256")} == {
        "type": "credential_stored",
        "version": 1,
        "request": request_id,
        "agent": bot.id,
        "kid": keys.key.kid,
        "ciphertext_sha256": hashlib.sha256(sealed).hexdigest(),
    }
    assert (revoked["type"], revoked["credential"]) == ("credential_revoked", handle)
    assert b"pin_of_the_safe" not in b"".join(entries)
