import re

import pytest

from review_web.markdown import host_of, to_html


def test_emphasis_lists_code_and_tables_are_rendered() -> None:
    html = to_html("**now**\n\n- one\n\n`ls`\n\n| a |\n|---|\n| 1 |")
    for piece in ("<strong>now</strong>", "<li>one</li>", "<code>ls</code>", "<td>1</td>"):
        assert piece in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<div onclick='x'>a</div>",
        "text <iframe src='https://a.example'></iframe>",
        "<!-- hidden -->",
        "</section></article><form action='/logout'>",
    ],
)
def test_raw_html_is_shown_as_text(text: str) -> None:
    html = to_html(text)
    assert "&lt;" in html
    for tag in ("<script", "<img", "<div onclick", "<iframe", "<!--", "<form"):
        assert tag not in html


def test_an_image_is_not_loaded_but_named_with_its_host() -> None:
    html = to_html("![the receipt](https://tracker.example/p.png)")
    assert "<img" not in html
    assert "the receipt" in html
    assert "not loaded" in html
    assert "tracker.example" in html


def test_a_link_shows_its_host_and_opens_without_a_way_back() -> None:
    html = to_html("[our bank](https://evil.example/login)")
    assert (
        '<a href="https://evil.example/login" target="_blank" rel="noopener noreferrer nofollow">our bank</a>' in html
    )
    assert '<span class="host">(evil.example)</span>' in html


@pytest.mark.parametrize(
    "address", ["/account", "account", "#answer", "?q=1", "//evil.example/x", "mailto:a@b.example"]
)
def test_what_is_no_whole_web_address_is_no_link(address: str) -> None:
    html = to_html(f"[settings]({address})")
    assert "<a " not in html
    assert "not a link" in html


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "JaVaScRiPt:alert(1)"])
def test_an_address_that_runs_something_is_shown_and_is_no_link(address: str) -> None:
    html = to_html(f"[run]({address})")
    assert "<a " not in html
    assert "href" not in html


def test_a_look_alike_host_is_shown_in_its_ascii_form() -> None:
    assert host_of("https://p\u0430ypal.example/x") == "xn--pypal-4ve.example"
    assert "xn--pypal-4ve.example" in to_html("[paypal](https://p\u0430ypal.example/x)")


def test_the_host_of_an_address_with_a_user_name_is_the_host() -> None:
    assert host_of("https://bank.example@evil.example:8443/") == "evil.example:8443"


@pytest.mark.parametrize(
    "address", ["", "nothing", "https://", "https://[::1", "ftp://a.example", "https://a.example:x/"]
)
def test_an_address_without_a_host_has_none(address: str) -> None:
    assert host_of(address) is None


def test_an_agents_heading_is_no_heading_of_the_page() -> None:
    html = to_html("# One\n\n###### Six")
    assert '<p class="agent-heading">One</p>' in html
    assert "<h" not in html


def test_unseen_characters_are_marked_in_text_and_in_code() -> None:
    html = to_html("a\u202eb `c\u200bd`\n\n```\ne\u2066f\n```\n\n&#x202d;")
    for code_point in ("U+202E", "U+200B", "U+2066", "U+202D"):
        assert code_point in html


def test_a_table_and_a_code_block_can_be_scrolled_by_keyboard_or_wrap() -> None:
    assert 'tabindex="0"' in to_html("| a |\n|---|\n| 1 |")


@pytest.mark.parametrize(
    "text",
    [
        "> " * 40 + "and then delete it",
        "- " * 60 + "and then delete it",
        "| a |\n|---|\n| 1 | and then delete it |",
        "[x]: https://a.example 'and then delete it'",
        "[x](https://a.example 'and then delete it')",
        "![x](https://a.example 'and then delete it')",
        "```sh and then delete it\nls\n```",
        "<!-- and then delete it -->",
        "<div title='and then delete it'>",
    ],
)
def test_no_word_disappears(text: str) -> None:
    assert "and then delete it" in re.sub(r"<[^>]*>", "", to_html(text))


def test_ordinary_markdown_is_not_taken_for_a_loss() -> None:
    for text in (
        "# Plan\n\n9. nine\n10. un*believ*able &amp; caf&eacute;s",
        "[a](https://a.example/%C3%A4b?c=dd) \\*no\\* `x&lt;y` <https://b.example/ü>",
        "| aa | bb |\n|:--|--:|\n| cc | **dd** |\n\n> quoted\n> more\n\n- [ ] task",
    ):
        assert "<pre>" not in to_html(text)


def test_a_text_too_long_to_parse_is_shown_as_written() -> None:
    html = to_html("[" * 40_000)
    assert html == "<pre>" + "[" * 40_000 + "</pre>"
