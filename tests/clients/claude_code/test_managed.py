"""What the printed settings are worth: in a file that the agent can reach a guardrail, as managed settings a gate."""

import json
from dataclasses import replace

import pytest

from tests.clients.claude_code.conftest import ClaudeSeat
from tests.clients.claude_code.model import Use
from tests.clients.claude_code.session import NOBODY, ClaudeCode
from tests.clients.managed import managed

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

MAKE = Use("Bash", {"command": "echo asked > made.txt", "description": "Make a file"}, "toolu_make")
MANAGED = "claude-code/managed-settings.json"
FREELY = ("--allowedTools", "Bash")
WAYS_ROUND = {
    "a file of the project": (),
    "--bare": ("--bare",),
    "--safe-mode": ("--safe-mode",),
    "no user settings": ("--setting-sources", "project"),
}


@pytest.fixture(params=WAYS_ROUND)
def way_round(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def went(claude: ClaudeCode, way_round: str) -> bool:
    """Whether the command ran, though nobody answers at the hook's address."""
    if not WAYS_ROUND[way_round]:
        (claude.project / ".claude").mkdir()
        (claude.project / ".claude" / "settings.json").write_text('{"disableAllHooks": true}')
    ended = await claude.run("Make a file.", *FREELY, *WAYS_ROUND[way_round])
    assert ended.why == "completed"
    return claude.made() == {"made.txt": "asked\n"}


async def test_hooks_in_the_user_s_settings_can_be_gone_round(seat: ClaudeSeat, way_round: str) -> None:
    with seat.claude([MAKE], at=NOBODY) as claude:
        assert await went(claude, way_round)


async def test_managed_hooks_as_they_are_printed_cannot(seat: ClaudeSeat, way_round: str) -> None:
    with seat.claude([MAKE], hooks=False) as claude:
        _, settings = seat.hooks(at=NOBODY)
        at_work = replace(claude, program=managed(claude.program, seat.folder, MANAGED, json.dumps(settings)))

        assert not await went(at_work, way_round)
        assert 'blocking because onFailure is "block"' in claude.model.told()[MAKE.id]
