"""The card of a tool that an agent's client brings itself, from the question to what came of it."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest

from review_web.arguments_form import key_of
from store.answers import Answer, AskedBack, Chosen, Declined
from store.calls.calls import GovernedCall, Released, Stated
from store.calls.definitions import Method
from store.policy.clients import own_tool
from store.questions import HeldCall
from tests.review_web import held_calls
from tests.review_web.cards import card_hash, open_card, text_of, view_of
from tests.review_web.house import Browser, House
from tests.stage import answered

pytestmark = pytest.mark.anyio
COMMAND: Mapping[str, Any] = {"command": "rm -r build\nmake", "description": "Clean <b>build</b>", "timeout": 600}
STATED = Stated("The old one is stale.", {"cwd": "/srv/<i>shop</i>", "session_id": "5a0c", "mood": "good\u202e"})
MAY_CHANGE = (
    "Claude Code runs this on its own machine. What it names, such as scripts, files and addresses, may change between "
    "your approval and then."
)


async def hold(
    house: House, tool: str, arguments: Mapping[str, Any], *, client: str = "claude_code", stated: Stated | None = None
) -> str:
    call = GovernedCall(client, Method.OWN, tool, own_tool(client, tool), None, arguments, stated=stated)
    return await held_calls.hold_call(house, call, agent="laptop")


async def words(browser: Browser, request_id: str) -> str:
    return unescape(text_of(await open_card(browser, request_id)))


@pytest.fixture
async def ana(house: House) -> Browser:
    return await house.signed_in("ana")


async def test_a_command_stands_as_a_command_with_who_runs_it_and_what_may_change(house: House, ana: Browser) -> None:
    said = await words(ana, await hold(house, "Bash", COMMAND))
    assert "HELD CALL: exactly this will run" in said
    assert "Claude Code · Bash" in said
    assert "Command 2 lines rm -r build make" in said
    assert MAY_CHANGE in said
    assert "Its other arguments timeout 600" in said
    assert "Rules know it as claude_code:Bash" in said
    assert "the agent's client may run exactly this, once" in said


async def test_what_the_agent_and_its_client_say_stands_in_the_agents_box_as_self_reported(
    house: House, ana: Browser
) -> None:
    page = await open_card(ana, await hold(house, "Bash", COMMAND, stated=STATED))
    facts, box = page.split('class="agent-words"')
    assert "Clean" not in text_of(facts.split("<article")[1])
    said = text_of(box)
    assert "What it says this does Clean &lt;b&gt;build&lt;/b&gt;" in said
    assert "Its reasons The old one is stale." in said
    assert "Folder /srv/&lt;i&gt;shop&lt;/i&gt; Session 5a0c mood goodU+202E" in said
    assert "Self-reported. The agent's own words, and its client's. Assent has not checked them." in unescape(said)


async def test_a_call_of_which_nothing_is_said_has_no_box_of_the_agents(house: House, ana: Browser) -> None:
    assert 'class="agent-words"' not in await open_card(ana, await hold(house, "Bash", {"command": "ls"}))


async def test_an_edit_stands_as_a_diff_and_a_new_file_as_added(house: House, ana: Browser) -> None:
    edit = {"file_path": "/srv/a.py", "old_string": "x = 1\n", "new_string": "x = 2\n"}
    said = await words(ana, await hold(house, "Edit", edit))
    assert "File /srv/a.py Replaces this where it stands in the file:" in said
    assert "\N{MINUS SIGN} goesx = 1 + comesx = 2" in said
    assert "It takes no arguments" not in said
    written = await words(ana, await hold(house, "Write", {"file_path": "/srv/b", "content": "one\n\ntwo"}))
    assert "Writes all of the file anew, 3 lines: + comesone + comes + comestwo" in written


async def test_a_fetch_says_its_host_and_an_address_that_deceives_has_none(house: House, ana: Browser) -> None:
    said = await words(ana, await hold(house, "WebFetch", {"url": "https://a.example/x", "prompt": "Read it."}))
    assert "It fetches from a.example https://a.example/x" in said
    said = await words(ana, await hold(house, "WebFetch", {"url": "https://a.example@b.example/x"}))
    assert "It fetches https://a.example@b.example/x Readers of this address may not agree on the host" in said


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("Bash", {"command": ["sh", "-c", "needle-1"], "then": "needle-2"}),
        ("Bash", {"command": "needle-1", "c\u043emmand": "needle-2", "description": 7}),
        ("Edit", {"file_path": "needle-1", "old_string": {"deep": "needle-2"}, "new_string": "b"}),
        ("MultiEdit", {"file_path": "a", "edits": [{"old_string": "needle-1", "new_string": "b", "x": "needle-2"}]}),
        ("Write", {"file_path": "a", "content": "needle-1", "mode": "needle-2"}),
        ("Unheard-of", {"a": "needle-1", "": "needle-2"}),
    ],
)
async def test_whatever_would_run_stands_on_the_card(
    house: House, ana: Browser, tool: str, arguments: Mapping[str, Any]
) -> None:
    said = await words(ana, await hold(house, tool, arguments))
    call = said[said.index("What will be called") : said.index("Called by")]
    assert "needle-1" in call
    assert "needle-2" in call


async def test_a_command_can_hide_nothing_and_brings_no_markup(house: House, ana: Browser) -> None:
    command = "ls\u202e;\u200b curl p\u0430ypal.example </li></ol><script>x</script>\r rm b"
    page = await open_card(ana, await hold(house, "Bash", {"command": command}))
    assert "<script>x" not in page
    assert "lsU+202E;U+200B curl" in text_of(page)
    assert "mixes Cyrillic + Latin" in page
    assert "U+000D rm b" in text_of(page)


async def test_a_tool_of_another_client_is_named_after_it(house: House, ana: Browser) -> None:
    said = await words(ana, await hold(house, "run_shell_command", {"command": "ls"}, client="gemini_cli"))
    assert "Gemini CLI · run_shell_command" in said
    assert "Gemini CLI runs this on its own machine." in said


async def test_a_call_of_an_upstream_says_nothing_of_clients(house: House, ana: Browser) -> None:
    await held_calls.rules(house)
    said = await words(ana, await held_calls.hold(house))
    assert "on its own machine" not in said
    assert "Its other arguments" not in said


async def test_a_command_is_changed_in_a_box_for_code_and_the_card_shows_both(house: House, ana: Browser) -> None:
    request_id = await hold(house, "Bash", COMMAND, stated=STATED)
    await open_card(ana, request_id)
    path = f"/requests/{request_id}/arguments"
    page = (await ana.open(path)).text
    box = re.search(rf'<textarea id="{key_of("command")}"[^>]*>\n([^<]*)</textarea>', page)
    assert box
    assert 'class="code" spellcheck="false"' in box[0]
    assert unescape(box[1]) == COMMAND["command"]
    form = {"card_sha256": card_hash(page), "as": "inputs", key_of("command"): "make"}
    assert (await ana.send_form(path, form)).status_code == 303
    said = await words(ana, request_id)
    assert "Ana changed 1 argument." in said
    assert "Command make As the agent called it \N{MINUS SIGN} before rm -r build" in said
    assert "What it says this does Clean <b>build</b>" in said


async def test_what_a_reviewer_wrote_is_no_word_of_the_agents(house: House, ana: Browser) -> None:
    request_id = await hold(house, "Bash", COMMAND)
    await held_calls.edit(house, request_id, {**COMMAND, "description": "As Mei has it"})
    said = await words(ana, request_id)
    assert "description The agent called it with Clean <b>build</b> changed to As Mei has it" in said
    assert "What it says this does" not in said


async def test_the_receipt_says_that_it_was_let_run_and_that_only_its_client_knows_more(
    house: House, ana: Browser
) -> None:
    request_id = await hold(house, "Bash", COMMAND)
    await answered(house.desk, await held_calls.mei(house), request_id, Chosen("run"))
    assert "Approved: it has not run" in await words(ana, request_id)
    agent = await house.agents.enrol("laptop")
    assert isinstance(await house.desk.calls.release(agent, request_id), Released)
    said = await words(ana, request_id)
    assert "Approved: it was let run" in said
    assert "What ran It was let run by Claude Code, once; what came of it only Claude Code knows." in said
    assert "HELD CALL: exactly this was let run" in said
    assert "Result that exactly this may run" in said
    assert "exactly this ran" not in said.lower()


@pytest.mark.parametrize(
    ("given", "receives"),
    [
        (Chosen("refuse"), "that it may not run, who refused, and why"),
        (Declined(), "that it may not run, and who declined"),
        (AskedBack(), "that it may not run, with the comment"),
    ],
)
async def test_what_was_not_approved_was_not_let_run(house: House, ana: Browser, given: Answer, receives: str) -> None:
    request_id = await hold(house, "Bash", COMMAND)
    await answered(house.desk, await held_calls.mei(house), request_id, given, comment="Not here.")
    said = await words(ana, request_id)
    assert "What ran Nothing ran." in said
    assert receives in said
    assert "HELD CALL: this was held, and did not run" in said


async def test_as_json_it_is_what_the_page_shows(house: House, ana: Browser) -> None:
    request_id = await hold(house, "Bash", COMMAND, stated=STATED)
    found = (await ana.fetch(f"/api/requests/{request_id}")).json()
    assert found["title"] == "Claude Code · Bash"
    assert found["card"]["question"]["arguments"] == COMMAND
    assert found["card"]["question"]["facts"] == dict(STATED.facts)
    await answered(house.desk, await held_calls.mei(house), request_id, Chosen("run"))
    await house.desk.calls.release(await house.agents.enrol("laptop"), request_id)
    assert (await ana.fetch(f"/api/requests/{request_id}")).json()["run"]["state"] == "released"
    assert (await view_of(house, request_id)).may_proceed


async def test_what_is_true_or_false_is_chosen_and_may_be_left_out(house: House, ana: Browser) -> None:
    request_id = await hold(house, "Bash", {"command": "ls", "run_in_background": True})
    await open_card(ana, request_id)
    path = f"/requests/{request_id}/arguments"
    page = (await ana.open(path)).text
    assert f'<select id="{key_of("run_in_background")}"' in page
    form = {"card_sha256": card_hash(page), "as": "inputs", key_of("run_in_background"): "false"}
    assert (await ana.send_form(path, form)).status_code == 303
    question = (await view_of(house, request_id)).card.question
    assert isinstance(question, HeldCall)
    assert question.arguments == {"command": "ls", "run_in_background": False}
