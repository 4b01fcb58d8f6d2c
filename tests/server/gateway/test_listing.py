"""What agents are told of, and under which names."""

from datetime import UTC, datetime
from typing import Any

import pytest

from server.gateway.limits import Limits
from server.gateway.listing import Admissible, Listed, Listing, Resources, admissible, build, readable
from store.calls.definitions import Definition, Method, Pinned
from store.policy.upstreams import Upstream

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ONE, TWO = Upstream("one", command="x"), Upstream("two", command="y")


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def pinned(upstream: str, name: str, method: Method = Method.TOOL, *, gone: bool = False) -> Pinned:
    definition = Definition(upstream, method, name, tool(name))
    return Pinned(definition, definition, NOW, NOW, None, NOW if gone else None)


def left_out(*names: str, method: Method = Method.TOOL) -> tuple[str, ...]:
    return admissible("up", method, [tool(name) for name in names], Limits()).left_out


def test_an_ordinary_tool_is_taken_with_everything_that_was_said_of_it() -> None:
    entry = tool("read", title="Read", _meta={"x": 1.5}, unheard_of=[None])
    assert admissible("up", Method.TOOL, [entry], Limits()) == Admissible(
        (Definition("up", Method.TOOL, "read", entry),)
    )


@pytest.mark.parametrize(
    "names", [("same", "same"), ("Read", "read"), ("READ", "Read", "read")], ids=["twice", "case", "thrice"]
)
def test_names_that_are_one_name_are_all_left_out(names: tuple[str, ...]) -> None:
    found = admissible("up", Method.TOOL, [tool(name) for name in (*names, "other")], Limits())
    assert [each.name for each in found.definitions] == ["other"]
    assert all("another one has the same name" in why for why in found.left_out)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "dele\u0442e", "txt\u202e", "new\nline", "x" * 61, "a\x00"])
def test_a_name_that_not_everybody_can_say_is_left_out_and_quoted(name: str) -> None:
    (why,) = left_out(name)
    assert "its name is not 1 to 60 of A-Z, a-z, 0-9, _, . and -" in why
    assert why.isascii()
    assert why.isprintable()


@pytest.mark.parametrize("name", ["two__parts", "__x", "a.b-c_d", "x" * 60])
def test_the_separator_in_a_name_is_no_fault(name: str) -> None:
    assert left_out(name) == ()


def test_a_definition_that_cannot_be_pinned_is_left_out() -> None:
    deep: Any = {}
    for _ in range(70):
        deep = {"a": deep}
    entries = [
        tool("deep", inputSchema=deep),
        tool("wide", description="x" * 300_000),
        tool("nan", default=float("nan")),
        tool("huge", default=1 << 80),
        tool("half", description="\ud800"),
        tool("fine"),
    ]
    found = admissible("up", Method.TOOL, entries, Limits())
    assert [each.name for each in found.definitions] == ["fine"]
    assert [why.partition(": ")[2] for why in found.left_out] == [
        "its definition is nested in more than 64 levels",
        "its definition has 300,064 bytes; at most 262,144 are taken",
        *["its definition is not JSON that means the same to everybody"] * 3,
    ]


def test_only_what_is_mounted_and_there_is_listed_in_the_order_of_the_rules() -> None:
    listing = build(
        [TWO, ONE], [pinned("one", "a"), pinned("two", "b"), pinned("one", "c", gone=True), pinned("old", "d")], {}
    )
    assert list(listing.tools) == ["two__b", "one__a"]
    assert list(listing.upstreams) == ["two", "one"]


def test_a_prompt_is_no_tool() -> None:
    listing = build([ONE], [pinned("one", "a", Method.PROMPT)], {})
    assert (list(listing.tools), list(listing.prompts)) == ([], ["one__a"])


def test_an_address_belongs_to_whoever_lists_it_before_any_template() -> None:
    resources = {
        "one": Resources(({"uri": "f://1"},)),
        "two": Resources((), ({"uriTemplate": "f://{id}"},)),
    }
    listing = build([ONE, TWO], [], resources)
    assert listing.resources == (Listed("one", {"uri": "f://1"}),)
    assert listing.upstreams_of("f://1") == ("one",)
    assert listing.upstreams_of("f://2") == ("two",)
    assert listing.upstreams_of("g://2") == ()


def test_an_address_of_two_upstreams_belongs_to_neither() -> None:
    both = Resources(({"uri": "f://1"},), ({"uriTemplate": "g://{id}"},))
    listing = build([ONE, TWO], [], {"one": both, "two": both})
    assert listing.resources == ()
    assert listing.upstreams_of("f://1") == ("one", "two")
    assert listing.upstreams_of("g://1") == ("one", "two")


def test_addresses_that_cannot_be_asked_for_are_passed_over() -> None:
    assert readable([{"uri": "f://1"}, {"uri": "f://1", "name": "again"}, {"uri": "f://" + "x" * 3000}], "uri") == (
        {"uri": "f://1"},
    )
    assert readable(
        [{"uriTemplate": "f://{a}{b}"}, {"uriTemplate": "f://{"}, {"uriTemplate": "f://{a}"}], "uriTemplate"
    ) == ({"uriTemplate": "f://{a}"},)


def test_nothing_is_listed_before_anything_is_known() -> None:
    assert Listing().upstreams_of("f://1") == ()
