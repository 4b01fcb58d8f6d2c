import pytest

from review_web.attempts import Attempt, SignInLimiter, TooMany


def fail(limiter: SignInLimiter, times: int, *, address: str = "192.0.2.1", account: str | None = "ana") -> None:
    for _ in range(times):
        assert isinstance(limiter.attempt(address=address, account=account), Attempt)


def test_ten_failures_on_one_account_end_the_guessing_from_any_address() -> None:
    limiter = SignInLimiter()
    fail(limiter, 10)
    refused = limiter.attempt(address="198.51.100.7", account="ana")
    assert isinstance(refused, TooMany)
    assert 0 < refused.retry_after_seconds <= 600


def test_another_account_is_not_affected() -> None:
    limiter = SignInLimiter()
    fail(limiter, 10)
    assert isinstance(limiter.attempt(address="192.0.2.1", account="ben"), Attempt)


def test_a_name_in_other_letters_is_the_same_account() -> None:
    limiter = SignInLimiter()
    fail(limiter, 10)
    assert isinstance(limiter.attempt(address="192.0.2.1", account=" ANA "), TooMany)


def test_one_address_cannot_try_many_names() -> None:
    limiter = SignInLimiter()
    for number in range(60):
        fail(limiter, 1, account=f"name-{number}")
    assert isinstance(limiter.attempt(address="192.0.2.1", account="another"), TooMany)
    assert isinstance(limiter.attempt(address="192.0.2.2", account="another"), Attempt)


def test_a_network_of_one_holder_is_one_address() -> None:
    limiter = SignInLimiter()
    for number in range(60):
        fail(limiter, 1, address=f"2001:db8::{number:x}", account=None)
    assert isinstance(limiter.attempt(address="2001:db8::ffff:1", account=None), TooMany)
    assert isinstance(limiter.attempt(address="2001:db8:0:1::1", account=None), Attempt)


def test_successes_are_not_counted() -> None:
    limiter = SignInLimiter()
    for _ in range(100):
        attempt = limiter.attempt(address="192.0.2.1", account="ana")
        assert isinstance(attempt, Attempt)
        limiter.succeeded(attempt)


@pytest.mark.parametrize("account", ["", "x" * 100_000, "\ud800"])
def test_any_text_can_be_counted(account: str) -> None:
    fail(SignInLimiter(), 1, account=account)
