"""What stands on a lock screen: enough to come and read, and nothing that is nobody else's business."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.push.words import asked, on_trial, over, several
from store.lifecycle import Outcome
from store.push.work import Addressee, Asked, Over
from store.questions import Risk

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PHONE = Addressee("dev_1", "https://push.example/1", b"", b"")
DEPLOY = Asked(PHONE, "req_1", "deploy-bot", "Deploy 1.4 to production?", None, NOW + timedelta(minutes=41))


def test_a_request_is_told_with_its_title_and_until_when_and_opens_its_card() -> None:
    message = asked(DEPLOY, NOW)

    assert json.loads(message.payload) == {
        "kind": "asked",
        "tag": "req_1",
        "title": "deploy-bot asks",
        "body": "Deploy 1.4 to production?",
        "path": "/requests/req_1",
        "until": "2026-11-22T09:41:00.000000Z",
        "stays": False,
    }
    assert (message.lifetime, message.urgent) == (timedelta(minutes=41), False)


@pytest.mark.parametrize("risk", [Risk.HIGH, Risk.CRITICAL])
def test_of_what_is_high_risk_only_the_agent_and_the_risk_are_named(risk: Risk) -> None:
    message = asked(replace(DEPLOY, risk=risk), NOW)

    said = json.loads(message.payload)
    assert said["title"] == "A request from deploy-bot waits"
    assert said["body"] == f"{risk.value.capitalize()} risk. Open it to read it."
    assert "Deploy 1.4" not in message.payload.decode()
    assert (message.urgent, said["stays"]) == (True, True)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Pay\u202eeciovni\u2066 9\u200b", "Pay eciovni 9"),
        ("two\nlines\tof it", "two lines of it"),
        ("x" * 200, "x" * 119 + "…"),
        ("Straße löschen? 数", "Straße löschen? 数"),
    ],
)
def test_what_a_notification_cannot_mark_is_left_out_of_the_agents_words(title: str, said: str) -> None:
    assert json.loads(asked(replace(DEPLOY, title=title), NOW).payload)["body"] == said


def test_a_message_is_not_kept_for_longer_than_the_question_waits_nor_for_longer_than_a_day() -> None:
    def lifetime(**left: int) -> timedelta:
        return asked(replace(DEPLOY, expires_at=NOW + timedelta(**left)), NOW).lifetime

    assert (lifetime(seconds=-5), lifetime(hours=1), lifetime(days=3)) == (
        timedelta(0),
        timedelta(hours=1),
        timedelta(days=1),
    )


def test_many_requests_are_one_message_that_opens_the_inbox() -> None:
    said = json.loads(several(12, 3).payload)

    assert (said["title"], said["body"], said["path"]) == ("12 requests wait", "3 of them high risk.", "/")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_end_of_a_request_is_told_in_the_place_of_what_called_for_it(outcome: Outcome) -> None:
    ended = over(Over(PHONE, "req_1", outcome, alone=True))

    said = json.loads(ended.payload)
    assert (said["kind"], said["tag"], said["path"]) == ("over", "req_1", "/requests/req_1")
    assert ended.topic == asked(DEPLOY, NOW).topic
    assert len(ended.topic) == 32


def test_a_message_on_trial_says_that_nothing_waits() -> None:
    assert "Nothing waits because of it." in json.loads(on_trial().payload)["body"]
