import pytest

from server.clients import PATIENCE, UNKNOWN_SECONDS, patience


@pytest.mark.parametrize("name", [None, "", "some-new-client"])
def test_a_client_that_nobody_knows_is_taken_to_be_impatient(name: str | None) -> None:
    assert patience(name) == UNKNOWN_SECONDS < 60


def test_a_known_client_is_found_however_its_name_is_written() -> None:
    assert patience("Claude-Code") is None
    assert patience("codex-mcp-client") == 280.0


def test_every_row_says_how_it_is_known() -> None:
    assert all(row.source for row in PATIENCE.values())
    assert all(name == name.lower() for name in PATIENCE)
