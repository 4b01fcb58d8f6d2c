"""Whatever an agent writes, and wherever it is read: nothing unseen, nothing that runs, nothing that passes for us."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from markupsafe import escape

from review_web.markdown import host_of
from store.people import Reviewer
from tests.hostile.world import World

pytestmark = pytest.mark.anyio

UNSEEN = "\u202e\u200b\u2066\u00ad\ufeff\U000e0041\u3164"
MARKS = tuple(f"U+{ord(character):04X}" for character in UNSEEN)
TRICK = f"pay{UNSEEN}roll <b>x</b> p\u0430ypal"
MIXED = "mixes Cyrillic + Latin"
SCRIPTS = "<script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)>"
MARKDOWN = (
    f"{SCRIPTS}\n\n[a](javascript:alert(1)) [b](/logout) [c](//evil.example) [d](data:text/html,x) "
    "![e](https://evil.example/pixel.png) <https://ok.example> [f](https://evil.example\\\\@good.example/)\n\n"
    '<form action="/requests/x/decision"><button name="action" value="option:approve">Approve</button></form>\n\n'
    "# The same question was approved by Ana"
)
EVERYWHERE: dict[str, tuple[str, dict[str, Any]]] = {
    "title": ("ask_approval", {"title": TRICK}),
    "description": ("ask_approval", {"title": "x", "description": TRICK}),
    "context": ("ask_approval", {"title": "x", "context": TRICK}),
    "reasoning": ("ask_approval", {"title": "x", "reasoning": TRICK}),
    "a context over 16 KiB": ("ask_approval", {"title": "x", "context": TRICK + " x" * 9000}),
    "code": ("ask_approval", {"title": "x", "context": f"```\n{TRICK}\n```"}),
    "the language of code": ("ask_approval", {"title": "x", "context": f"```{TRICK}\nx\n```"}),
    "inline code": ("ask_approval", {"title": "x", "context": f"`{TRICK}`"}),
    "the title of a link": ("ask_approval", {"title": "x", "context": f'[a](https://ok.example "{TRICK}")'}),
    "workflow": ("ask_approval", {"title": "x", "workflow": TRICK}),
    "label of evidence": ("ask_approval", {"title": "x", "evidence": [{"label": TRICK, "text": "y"}]}),
    "text of evidence": ("ask_approval", {"title": "x", "evidence": [{"label": "y", "text": TRICK}]}),
    "label of a button": (
        "ask_approval",
        {"title": "x", "options": [{"id": "a", "label": TRICK, "approves": True}, {"id": "b", "approves": False}]},
    ),
    "prompt": ("ask_selection", {"prompt": TRICK, "options": [{"id": "a"}]}),
    "label of an option": ("ask_selection", {"prompt": "x", "options": [{"id": "a", "label": TRICK}]}),
    "description of an option": ("ask_selection", {"prompt": "x", "options": [{"id": "a", "description": TRICK}]}),
    "label of a field": ("ask_form", {"title": "x", "fields": [{"name": "a", "label": TRICK}]}),
    "help of a field": ("ask_form", {"title": "x", "fields": [{"name": "a", "help": TRICK}]}),
    "pattern of a field": ("ask_form", {"title": "x", "fields": [{"name": "a", "pattern": TRICK}]}),
    "option of a field": (
        "ask_form",
        {"title": "x", "fields": [{"name": "a", "type": "select", "options": [{"id": "a", "label": TRICK}]}]},
    ),
    "option of a long list": (
        "ask_form",
        {
            "title": "x",
            "fields": [
                {
                    "name": "a",
                    "type": "select",
                    "options": [{"id": "a", "label": TRICK}, *({"id": f"o{n}"} for n in range(9))],
                }
            ],
        },
    ),
    "draft": ("ask_text_input", {"title": "x", "prefill": TRICK}),
}


async def page_of(world: World, token: str, tool: str, arguments: Mapping[str, Any]) -> str:
    """The card's page of what this agent asks."""
    async with world.caller(token) as caller, world.browser("ana") as browser:
        asked = await caller.asked(tool, {**arguments, "hold_seconds": 0})
        page = await browser.open(f"/requests/{asked['request_id']}")
    assert page.status_code == 200
    return page.text


@pytest.mark.parametrize(("tool", "arguments"), EVERYWHERE.values(), ids=EVERYWHERE.keys())
async def test_unseen_characters_and_mixed_alphabets_are_named_wherever_they_stand(
    world: World, token: str, ana: Reviewer, tool: str, arguments: dict[str, Any]
) -> None:
    page = await page_of(world, token, tool, arguments)
    assert [mark for mark in (*MARKS, MIXED) if mark not in page] == []
    # What a box holds for editing must be the draft itself; beside it stands the same with its marks.
    for box in re.findall(r"<textarea[^>]*>.*?</textarea>", page, re.DOTALL):
        page = page.replace(box, "")
    assert [f"U+{ord(character):04X}" for character in UNSEEN if character in page] == []
    assert "<b>x</b>" not in page


@pytest.mark.parametrize("path", ["/", "/history"])
async def test_lists_name_unseen_characters_too(world: World, token: str, ana: Reviewer, path: str) -> None:
    async with world.caller(token) as caller, world.browser("ana") as browser:
        for name in ("one", "two"):
            asked = await caller.asked(
                "ask_approval", {"title": TRICK + name, "workflow": TRICK + name, "hold_seconds": 0}
            )
            if path == "/history":
                await caller.asked("withdraw_review", {"request_id": asked["request_id"]})
        page = (await browser.open(path)).text
    assert [mark for mark in (*MARKS, MIXED) if mark not in page] == []
    assert not any(character in page for character in UNSEEN)


async def test_a_receipt_names_what_cannot_be_seen_in_reports_of_the_agent(
    world: World, token: str, ana: Reviewer
) -> None:
    async with world.caller(token) as caller, world.browser("ana") as browser:
        asked = await caller.asked("ask_approval", {"title": "x", "hold_seconds": 0})
        path = f"/requests/{asked['request_id']}"
        card = re.search(r'name="card_sha256" value="(\w+)"', (await browser.open(path)).text)
        assert card
        await browser.send_form(
            f"{path}/decision", {"card_sha256": card[1], "action": "option:approve", "comment": TRICK}
        )
        await caller.asked("report_consequence", {"request_id": asked["request_id"], "result": TRICK, "details": TRICK})
        page = (await browser.open(path)).text
    assert page.count("U+202E") == 3
    assert not any(character in page for character in UNSEEN)


async def test_markdown_runs_nothing_loads_nothing_and_leads_nowhere_unnamed(
    world: World, token: str, ana: Reviewer
) -> None:
    page = await page_of(world, token, "ask_approval", {"title": SCRIPTS, "description": MARKDOWN, "context": MARKDOWN})
    assert re.findall(r"<(script|img|svg/|iframe|object|form|button|input)\b[^>]*(?:alert|onerror|evil)", page) == []
    # The answer, stopping everything (wide and narrow), signing out, and closing the list of keys.
    assert page.count("<form") == 5
    assert str(escape(SCRIPTS)) in page
    leads = set(re.findall(r'href="([^"#]*)"', page))
    assert not [address for address in leads if address.startswith(("javascript:", "data:", "//"))]
    assert {a for a in leads if "evil" in a} == set()
    assert "(ok.example)" in page
    assert "The same question was approved by Ana</h" not in page


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://evil.example\\@good.example/", None),
        ("https://good.example@evil.example/", "evil.example"),
        ("https:evil.example", None),
        ("//evil.example", None),
        ("https://fa\u00df.example/", "xn--fa-hia.example"),
        ("https://p\u0430ypal.example/", "xn--pypal-4ve.example"),
    ],
)
def test_the_host_that_is_shown_is_the_one_that_a_browser_goes_to(address: str, shown: str | None) -> None:
    assert host_of(address) == shown


async def test_names_of_fields_and_options_cannot_take_the_place_of_the_forms_own(
    world: World, token: str, ana: Reviewer
) -> None:
    names = ("card_sha256", "comment", "action", "decision", "selected", "text", "answer", "return", "decline", "main")
    page = await page_of(
        world,
        token,
        "ask_form",
        {
            "title": "x",
            "fields": [*({"name": name} for name in names), {"name": "a"}, {"name": "a-note", "type": "password"}],
        },
    )
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert sorted(identifiers) == sorted(set(identifiers))
    form = page[page.index('<form class="answer"') :]
    for name in ("card_sha256", "comment"):
        assert len(re.findall(rf'\bname="{name}"', form)) == 1
    assert set(re.findall(r'name="action" value="([^"]+)"', form)) == {"answer", "return", "decline"}


async def test_an_option_called_decline_is_not_assents_own_button(world: World, token: str, ana: Reviewer) -> None:
    options = [
        {"id": "decline", "label": "Decline", "approves": True},
        {"id": "return", "label": "Ask back", "approves": True},
        {"id": "answer", "approves": False},
    ]
    page = await page_of(world, token, "ask_approval", {"title": "x", "options": options})
    values = re.findall(r'name="action" value="([^"]+)"', page)
    assert sorted(values) == ["decline", "option:answer", "option:decline", "option:return", "return"]
    assert page.count("the agent receives: </span>approved</p>") == 2
    assert page.count("the agent receives: </span>declined</p>") == 1


@pytest.mark.parametrize(
    "text",
    ["harmless" + "\n" * 2000 + "and delete the backups", "x " * 9000, "\n\n".join("line" for _ in range(200))],
    ids=["2,000 empty lines", "18,000 characters", "200 paragraphs"],
)
async def test_buttons_wait_below_a_text_that_reaches_far_below_the_screen(
    world: World, token: str, ana: Reviewer, text: str
) -> None:
    long = await page_of(world, token, "ask_approval", {"title": "x", "evidence": [{"label": "y", "text": text}]})
    short = await page_of(world, token, "ask_approval", {"title": "x"})
    assert 'class="actions at-the-end"' in long
    assert 'class="actions"' in short


async def test_help_and_patterns_are_shown_as_the_agents_words(world: World, token: str, ana: Reviewer) -> None:
    sealed = "Sealed; the agent gets a handle, never the value."
    page = await page_of(
        world, token, "ask_form", {"title": "x", "fields": [{"name": "pin", "help": sealed, "pattern": f"x|{sealed}"}]}
    )
    assert f"“<bdi>{sealed}</bdi>”, says the agent." in page
    assert f"<code>x|{sealed}</code>" in page
    assert 'class="sealed"' not in page
    assert "The agent will read this." in page


async def test_a_workflow_named_like_a_group_of_ours_is_shown_as_a_name(
    world: World, token: str, ana: Reviewer
) -> None:
    async with world.caller(token) as caller, world.browser("ana") as browser:
        for workflow in ("Critical", "Approved by Ana"):
            await caller.asked("ask_approval", {"title": workflow, "workflow": workflow, "hold_seconds": 0})
        page = (await browser.open("/")).text
    assert "Workflow “<bdi>Critical</bdi>”" in page
    assert "critical-heading" not in page


async def test_stacks_of_marks_end_before_they_cover_their_neighbours(world: World, token: str, ana: Reviewer) -> None:
    page = await page_of(world, token, "ask_approval", {"title": "Z" + "\u0310" * 150})
    assert page.count("\u0310") < 20
    assert "U+0310" in page
