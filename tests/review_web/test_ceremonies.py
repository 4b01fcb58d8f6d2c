from datetime import UTC, datetime

from review_web.ceremonies import LIFETIME, Ceremonies, Purpose

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_ceremony_is_taken_once() -> None:
    ceremonies = Ceremonies()
    ticket, ceremony = ceremonies.begin(Purpose.SIGN_IN, now=NOW)
    assert ceremonies.take(ticket, Purpose.SIGN_IN, now=NOW) == ceremony
    assert ceremonies.take(ticket, Purpose.SIGN_IN, now=NOW) is None


def test_a_ceremony_ends_with_its_time() -> None:
    ceremonies = Ceremonies()
    ticket, _ = ceremonies.begin(Purpose.SIGN_IN, now=NOW)
    assert ceremonies.take(ticket, Purpose.SIGN_IN, now=NOW + LIFETIME) is None


def test_a_challenge_of_one_purpose_is_worthless_for_another_and_gone_after() -> None:
    ceremonies = Ceremonies()
    ticket, _ = ceremonies.begin(Purpose.SIGN_IN, now=NOW)
    assert ceremonies.take(ticket, Purpose.ADD_PASSKEY, now=NOW) is None
    assert ceremonies.take(ticket, Purpose.SIGN_IN, now=NOW) is None


def test_a_ceremony_of_one_person_is_not_another_persons() -> None:
    ceremonies = Ceremonies()
    ticket, _ = ceremonies.begin(Purpose.ADD_PASSKEY, now=NOW, reviewer_id="usr_ana")
    assert ceremonies.take(ticket, Purpose.ADD_PASSKEY, now=NOW, reviewer_id="usr_ben") is None


def test_beginning_without_end_forgets_the_oldest_first() -> None:
    ceremonies = Ceremonies()
    first, _ = ceremonies.begin(Purpose.SIGN_IN, now=NOW)
    later = [ceremonies.begin(Purpose.SIGN_IN, now=NOW)[0] for _ in range(4096)]
    assert ceremonies.take(first, Purpose.SIGN_IN, now=NOW) is None
    assert ceremonies.take(later[0], Purpose.SIGN_IN, now=NOW) is not None
