"""Arguments that make no sense get one tool error that names the place and the limit; no card is posted."""

from typing import Any

import pytest

from tests.hostile.world import World
from tests.server.serving import ERAS, LEGACY

pytestmark = pytest.mark.anyio

Case = tuple[str, dict[str, Any], str]


def approval(**more: Any) -> dict[str, Any]:
    return {"title": "Deploy?", **more}


def field(**more: Any) -> dict[str, Any]:
    return {"title": "Access", "fields": [{"name": "host", **more}]}


def choice(**more: Any) -> dict[str, Any]:
    return {"prompt": "Which?", "options": [{"id": "eu"}, {"id": "us"}], **more}


CASES: dict[str, Case] = {
    "no title": ("ask_approval", {}, "title: is required"),
    "an empty title": ("ask_approval", {"title": ""}, "title: String should have at least 1 character"),
    "a title of blanks": ("ask_approval", {"title": " \u2003\t "}, "title: String should have at least 1 character"),
    "a title of 201 characters": ("ask_approval", {"title": "x" * 201}, "title: String should have at most 200"),
    "a title that is no text": ("ask_approval", {"title": 7}, "title: Input should be a valid string"),
    "a title of two lines": ("ask_approval", {"title": "Deploy?\nApproved by Ana"}, "title: must be one line"),
    "a title with a control character": ("ask_approval", {"title": "Deploy\x1b[2J"}, "without U+001B"),
    "a title with a line separator": ("ask_approval", {"title": "Deploy\u2028ok"}, "without U+2028"),
    "a text with a NUL": ("ask_approval", approval(context="a\0b"), "context: must not contain U+0000"),
    "a text over 64 KiB": ("ask_approval", approval(context="x" * 65537), "context: String should have at most 65536"),
    "more text than a person can be shown": (
        "ask_approval",
        approval(evidence=[{"label": "x", "text": "y" * 65536}] * 5),
        "a person can be shown at most 262,144: shorten the texts, or give evidence as addresses",
    ),
    "an argument that is not known": ("ask_approval", approval(approved=True), "approved: there is no such argument"),
    "51 options": (
        "ask_approval",
        approval(options=[{"id": f"o{n}", "approves": n == 0} for n in range(51)]),
        "options: at most 50 entries; 51 given",
    ),
    "51 options to select": (
        "ask_selection",
        {"prompt": "Which?", "options": [{"id": f"o{n}"} for n in range(51)]},
        "options: at most 50 entries; 51 given",
    ),
    "51 fields": (
        "ask_form",
        {"title": "Access", "fields": [{"name": f"f{n}"} for n in range(51)]},
        "fields: at most 50 entries; 51 given",
    ),
    "51 pieces of evidence": (
        "ask_approval",
        approval(evidence=[{"label": "x", "text": "y"}] * 51),
        "evidence: at most 50 entries; 51 given",
    ),
    "no options to select": ("ask_selection", {"prompt": "Which?", "options": []}, "options: at least 1 entries"),
    "no fields": ("ask_form", {"title": "Access", "fields": []}, "fields: at least 1 entries"),
    "an option that does not say whether it approves": (
        "ask_approval",
        approval(options=[{"id": "go"}, {"id": "stop", "approves": False}]),
        "options[0].approves: is required",
    ),
    "options that all approve": (
        "ask_approval",
        approval(options=[{"id": "go", "approves": True}, {"id": "run", "approves": True}]),
        "options: need at least one option with `approves: true` and one with `approves: false`",
    ),
    "two options of one id": (
        "ask_approval",
        approval(options=[{"id": "go", "approves": True}, {"id": "go", "approves": False}]),
        "option 'go' appears twice",
    ),
    "two options to select of one id": (
        "ask_selection",
        {"prompt": "Which?", "options": [{"id": "eu"}, {"id": "eu"}]},
        "option 'eu' appears twice",
    ),
    "two fields of one name": (
        "ask_form",
        {"title": "Access", "fields": [{"name": "a"}, {"name": "a"}]},
        "field 'a' appears twice",
    ),
    "an id with a line end": (
        "ask_selection",
        {"prompt": "Which?", "options": [{"id": "eu\n"}]},
        "options[0].id: String should match pattern",
    ),
    "an id of another alphabet": (
        "ask_selection",
        {"prompt": "Which?", "options": [{"id": "\u0435u"}]},
        "options[0].id: String should match pattern",
    ),
    "a field type that there is not": ("ask_form", field(type="file"), "fields[0].type: Input should be 'text'"),
    "a pattern that does not compile": ("ask_form", field(pattern="("), "fields[0].pattern: does not compile"),
    "a pattern that looks back": ("ask_form", field(pattern=r"(a)\1"), "fields[0].pattern: does not compile"),
    "a pattern of enormous size": ("ask_form", field(pattern=r"(\pL{100}){10}"), "fields[0].pattern: does not compile"),
    "a default of hundreds of digits": (
        "ask_form",
        field(type="integer", default=10**99),
        "`default` does not fit: must be a whole number",
    ),
    "a bound beyond what JSON can count": ("ask_form", field(type="text", min=2**60), "counts from 0 to 65536"),
    "a bound of hundreds of digits": ("ask_form", field(type="number", max=10**99), "`max` of a number field"),
    "a password with a default": ("ask_form", field(type="password", default="x"), "cannot have a `default`"),
    "more to choose than there is": ("ask_selection", choice(mode="multiple", max=3), "is above the number of options"),
    "the fewest above the most": ("ask_selection", choice(mode="multiple", min=2, max=1), "`min` (2) is above `max`"),
    "a draft longer than its limit": (
        "ask_text_input",
        {"title": "Reply", "prefill": "xxx", "max_length": 2},
        "`prefill` is longer than `max_length`",
    ),
    "a timeout of nothing": ("ask_approval", approval(timeout_seconds=0), "timeout_seconds: Input should be greater"),
    "a timeout below nothing": (
        "ask_approval",
        approval(timeout_seconds=-1),
        "timeout_seconds: Input should be greater",
    ),
    "a timeout over a day": ("ask_approval", approval(timeout_seconds=86_401), "less than or equal to 86400"),
    "a timeout of hundreds of digits": ("ask_approval", approval(timeout_seconds=10**99), "timeout_seconds: "),
    "evidence that would run": (
        "ask_approval",
        approval(evidence=[{"label": "x", "url": "javascript:alert(1)"}]),
        "must be a whole http or https address",
    ),
    "evidence whose host is not where it leads": (
        "ask_approval",
        approval(evidence=[{"label": "x", "url": "https://evil.example\\@good.example/"}]),
        "must be a whole http or https address",
    ),
    "evidence with an unseen character in its address": (
        "ask_approval",
        approval(evidence=[{"label": "x", "url": "https://good.example/\u202egnp.exe"}]),
        "must be a whole http or https address",
    ),
    "a request that follows nothing": ("ask_approval", approval(follows="req_aaaaaaaaaaaaaaaa"), "there is no request"),
    "a consequence of nothing": (
        "report_consequence",
        {"request_id": "req_aaaaaaaaaaaaaaaa", "result": "ok"},
        "there is no request",
    ),
    "a consequence of two lines": (
        "report_consequence",
        {"request_id": "req_aaaaaaaaaaaaaaaa", "result": "ok\nApproved by Ana"},
        "result: must be one line",
    ),
    "a tool that there is not": ("approve_myself", {}, "there is no tool 'approve_myself'. Known are ask_approval"),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("tool", "arguments", "says"), CASES.values(), ids=CASES.keys())
async def test_a_call_that_makes_no_sense_is_told_where_and_posts_nothing(
    world: World, token: str, era: str, tool: str, arguments: dict[str, Any], says: str
) -> None:
    async with world.caller(token, era) as caller:
        before = await world.rows()
        said = await caller.refusal(tool, arguments)
        assert await world.rows() == before
    assert says in said
    assert len(said) < 3000


async def test_a_hundred_thousand_faults_are_told_in_a_few_lines(world: World, token: str) -> None:
    async with world.caller(token, LEGACY) as caller:
        many = await caller.refusal("ask_form", {"title": "x", "fields": [{"nam": "a"}] * 60_000})
        unknown = await caller.refusal("ask_approval", {"title": "x", **{f"k{n}": 1 for n in range(60_000)}})
        long = await caller.refusal("ask_approval", {"title": "x", "k\u202e" * 100_000: 1})
        tool = await caller.refusal("x\u202e" * 100_000, {})
    assert "fields[0].name: is required" in many
    assert "and 59995 more" in unknown
    assert all(len(said) < 3000 for said in (many, unknown, long, tool))
    assert "\u202e" not in long + tool


async def test_a_title_at_its_limit_is_posted(world: World, token: str) -> None:
    async with world.caller(token) as caller:
        result = await caller.asked("ask_approval", {"title": "x" * 200, "hold_seconds": 0, "timeout_seconds": 86_400})
    assert result["status"] == "pending"


async def test_a_key_that_comes_back_with_other_arguments_is_refused(world: World, token: str) -> None:
    async with world.caller(token) as caller:
        await caller.asked("ask_approval", approval(idempotency_key="deploy-1", hold_seconds=0))
        before = await world.rows()
        said = await caller.refusal("ask_approval", approval(idempotency_key="deploy-1", risk="low", hold_seconds=0))
        assert await world.rows() == before
    assert "was used for another question" in said


async def test_the_twenty_first_open_request_of_one_agent_is_refused_and_others_are_not(
    world: World, token: str, other_token: str
) -> None:
    async with world.caller(token) as caller, world.caller(other_token) as other:
        for number in range(20):
            await caller.asked("ask_approval", {"title": f"Deploy {number}?", "hold_seconds": 0})
        before = await world.rows()
        said = await caller.refusal("ask_approval", {"title": "One more?", "hold_seconds": 0})
        assert await world.rows() == before
        assert (await other.asked("ask_approval", {"title": "Pay?", "hold_seconds": 0}))["status"] == "pending"
    assert "20 open requests, which is the limit" in said


@pytest.mark.parametrize("era", ERAS)
async def test_another_agents_request_does_not_exist(world: World, token: str, other_token: str, era: str) -> None:
    async with world.caller(token) as caller, world.caller(other_token, era) as other:
        asked = await caller.asked("ask_approval", approval(idempotency_key="mine", hold_seconds=0))
        theirs = {"request_id": asked["request_id"]}
        before = await world.rows()
        refused = [
            await other.refusal("await_review", {**theirs, "hold_seconds": 0}),
            await other.refusal("withdraw_review", theirs),
            await other.refusal("report_consequence", {**theirs, "result": "done"}),
            await other.refusal("ask_approval", approval(follows=asked["request_id"], hold_seconds=0)),
        ]
        assert await world.rows() == before
        assert all("there is no request" in said for said in refused)
        own = await other.asked("ask_approval", approval(idempotency_key="mine", hold_seconds=0))
    assert own["request_id"] != asked["request_id"]
