"""The browsers that a person is told in: each theirs alone, and none at an address that is not a push service's."""

from typing import Any

import pytest

from store.audit.canonical import decode
from store.audit.reading import entries
from store.database import Database
from store.desk import Desk
from store.people import People, Reviewer
from store.push.devices import MOST, BadSubscription, Device, Subscription, TooManyDevices
from tests.push_station import Phone, padless, point
from tests.stage import FakeClock

pytestmark = pytest.mark.anyio
PHONE = Phone("https://push.example/send/1")
OTHER = Phone("https://push.example/send/2")


async def added(desk: Desk, reviewer: Reviewer, clock: FakeClock, phone: Phone = PHONE) -> str:
    device = await desk.devices.add(reviewer, phone.subscription, name="Firefox on Android")
    clock.advance(seconds=1)
    return device


def told_of(database: Database) -> list[dict[str, Any]]:
    """What the log says of devices."""
    kept = database.read_now(lambda connection: [decode(data) for _, data in entries(connection, 0, 1000)])
    return [entry for entry in kept if str(entry["type"]).startswith("push_device")]


async def test_a_browser_is_kept_with_the_name_that_it_goes_by(desk: Desk, ana: Reviewer, clock: FakeClock) -> None:
    began = clock.now
    device = await added(desk, ana, clock)

    digest = Subscription.of(PHONE.subscription).digest
    assert await desk.devices.of(ana.id) == [Device(device, "Firefox on Android", began, None, None, digest)]


async def test_a_browser_that_subscribes_again_is_one_browser(desk: Desk, ana: Reviewer, clock: FakeClock) -> None:
    first, second = await added(desk, ana, clock), await added(desk, ana, clock)

    assert first == second
    assert len(await desk.devices.of(ana.id)) == 1


async def test_a_browser_in_which_another_person_signs_in_is_theirs_alone(
    desk: Desk, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    await added(desk, ana, clock)
    device = await added(desk, ben, clock)

    assert await desk.devices.of(ana.id) == []
    assert [one.id for one in await desk.devices.of(ben.id)] == [device]


async def test_a_browser_whose_address_changed_takes_the_place_of_what_it_was_and_of_nobody_elses(
    desk: Desk, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    await added(desk, ana, clock)
    await desk.devices.add(ben, OTHER.subscription, name="x", replaces=PHONE.endpoint)
    assert len(await desk.devices.of(ana.id)) == 1

    newer = Phone("https://push.example/send/3")
    await desk.devices.add(ana, newer.subscription, name="x", replaces=PHONE.endpoint)

    assert [one.digest for one in await desk.devices.of(ana.id)] == [Subscription.of(newer.subscription).digest]


async def test_nobody_removes_or_tries_anothers_browser(
    desk: Desk, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    device = await added(desk, ana, clock)

    assert not await desk.devices.remove(ben.id, device)
    assert not await desk.devices.ask_for_test(ben.id, device)
    assert (await desk.devices.work()).tests == ()
    assert await desk.devices.remove(ana.id, device)
    assert not await desk.devices.remove(ana.id, device)


@pytest.mark.parametrize("how", ["reset", "disable"])
async def test_resetting_or_disabling_an_account_forgets_its_browsers_and_nobody_elses(
    desk: Desk, database: Database, people: People, ana: Reviewer, ben: Reviewer, clock: FakeClock, how: str
) -> None:
    devices = {await added(desk, ben, clock), await added(desk, ben, clock, Phone("https://push.example/send/3"))}
    await added(desk, ana, clock, OTHER)
    await getattr(people.administration, how)(ben.id, by=None)

    assert await desk.devices.of(ben.id) == []
    assert len(await desk.devices.of(ana.id)) == 1
    ended = {(entry["device"], entry["by"]) for entry in told_of(database)[-2:]}
    assert ended == {(device, "reset" if how == "reset" else "disabled") for device in devices}


async def test_a_person_is_told_in_so_many_places_and_no_more(desk: Desk, ana: Reviewer, clock: FakeClock) -> None:
    for number in range(MOST):
        await added(desk, ana, clock, Phone(f"https://push.example/send/{number}"))

    with pytest.raises(TooManyDevices, match="in 10 places already"):
        await added(desk, ana, clock, Phone("https://push.example/send/more"))
    assert len(await desk.devices.of(ana.id)) == MOST


async def test_the_log_says_which_browsers_were_told_and_until_when(
    desk: Desk, database: Database, ana: Reviewer, ben: Reviewer, clock: FakeClock
) -> None:
    first = await added(desk, ana, clock)
    second = await added(desk, ben, clock)
    third = await added(desk, ben, clock, OTHER)
    await desk.devices.remove(ben.id, second)
    await desk.devices.gone(third)

    said = [(entry["type"], entry["reviewer"], entry["device"], entry.get("by")) for entry in told_of(database)]
    assert said == [
        ("push_device_added", ana.id, first, None),
        ("push_device_removed", ana.id, first, "another_person"),
        ("push_device_added", ben.id, second, None),
        ("push_device_added", ben.id, third, None),
        ("push_device_removed", ben.id, second, "person"),
        ("push_device_removed", ben.id, third, "push_service"),
    ]


def subscription(**changed: Any) -> dict[str, Any]:
    keys = {**PHONE.subscription["keys"], **{key: value for key, value in changed.items() if key != "endpoint"}}
    return {"endpoint": changed.get("endpoint", PHONE.endpoint), "keys": keys}


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example/1",
        "https://push.example:8443/1",
        "https://user@push.example/1",
        "https://127.0.0.1/1",
        "https://[::1]/1",
        "https://2130706433/1",
        "https://localhost/1",
        "https://assent.localhost/1",
        "https://printer.local/1",
        "https://metadata.google.internal/1",
        "https:///1",
        "https://[/1",
        "https://push.example:x/1",
        "https://push.example/\u202e1",
        "https://push.example/1\n",
        "https://push.example/" + "x" * 2100,
        "",
        7,
    ],
)
def test_an_address_that_is_no_public_https_one_is_refused(endpoint: object) -> None:
    with pytest.raises(BadSubscription):
        Subscription.of(subscription(endpoint=endpoint))


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {"endpoint": PHONE.endpoint},
        {"endpoint": PHONE.endpoint, "keys": []},
        subscription(p256dh=None),
        subscription(p256dh=""),
        subscription(p256dh="not base64url!"),
        subscription(p256dh=padless(b"\x04" + b"\x01" * 64)),
        subscription(auth=padless(b"short")),
        subscription(auth="é"),
    ],
)
def test_keys_that_no_browser_makes_are_refused(given: object) -> None:
    with pytest.raises(BadSubscription):
        Subscription.of(given)


def test_padding_of_the_keys_does_not_matter() -> None:
    padded = subscription(auth=PHONE.subscription["keys"]["auth"] + "==")

    assert Subscription.of(padded) == Subscription(PHONE.endpoint, point(PHONE.key), PHONE.secret)
