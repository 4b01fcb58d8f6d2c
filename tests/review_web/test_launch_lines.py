"""How upstreams are started, in words, and what a proposal changes about that."""

from review_web.launch_lines import LaunchRow, Standing, launch_row, launch_rows
from store.policy.upstreams import Upstream

FILES = Upstream("files", command="npx", args=("-y", "files@1", "/srv/my data"), env=(("TOKEN", "secret"),), cwd="/srv")
MAIL = Upstream("mail", url="https://mail.example/mcp", headers=(("Authorization", "Bearer x"),), timeout_seconds=90)


def test_a_command_stands_as_it_would_be_typed_and_no_value_is_told() -> None:
    assert launch_row(FILES) == LaunchRow(
        "files",
        "npx -y files@1 '/srv/my data'",
        runs=True,
        settings=("in the folder /srv", "with the variable TOKEN", "at most 1 min a call"),
    )


def test_an_address_is_reached_and_no_header_is_told() -> None:
    assert launch_row(MAIL) == LaunchRow(
        "mail",
        "https://mail.example/mcp",
        runs=False,
        settings=("with the header Authorization", "at most 90 s a call"),
    )


def test_a_proposal_says_what_comes_what_changes_and_what_goes() -> None:
    newer = Upstream("files", command="npx", args=("-y", "files@2", "/srv/my data"), env=FILES.env, cwd="/srv")
    rows = launch_rows([newer, Upstream("shop", command="shop")], [FILES, MAIL])
    assert [(row.name, row.standing, row.before, row.comes) for row in rows] == [
        ("files", Standing.CHANGED, "npx -y files@1 '/srv/my data'", True),
        ("shop", Standing.NEW, None, True),
        ("mail", Standing.REMOVED, None, False),
    ]


def test_another_value_is_a_change_that_is_told_without_it() -> None:
    other = Upstream("files", command="npx", args=FILES.args, env=(("TOKEN", "other"),), cwd="/srv")
    (row,) = launch_rows([other], [FILES])
    assert (row.standing, row.before) == (Standing.CHANGED, None)
    assert "values of variables change" in row.settings
    assert "other" not in repr(row)


def test_what_stays_is_no_change() -> None:
    assert [row.standing for row in launch_rows([FILES, MAIL], [MAIL, FILES])] == [Standing.SAME, Standing.SAME]
