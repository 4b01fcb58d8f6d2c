import pytest

from review_web.browser_names import browser_name

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (CHROME, "Chrome on Linux"),
        (f"{CHROME} Edg/156.0", "Edge on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0", "Firefox on Android"),
        ("python-httpx/1", "python-httpx/1"),
        ("", "A program without a name"),
    ],
)
def test_a_browser_is_named_in_words(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name
