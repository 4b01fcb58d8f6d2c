"""Differences between two questions, as a reviewer reads them."""

from review_web.differences import LINE_SHOWN, LINES_COMPARED, Difference, Line, Side, difference, lines_of
from store.fields import Choice, FormField
from store.questions import ApprovalOption, AskApproval, AskForm, AskSelection, AskTextInput, Evidence, HeldCall, Risk
from store.values import FieldType


def approval(description: str = "", **more: object) -> AskApproval:
    return AskApproval.model_validate({"title": "Deploy?", "description": description, **more})


def call(**arguments: object) -> HeldCall:
    return HeldCall(
        upstream="payments",
        method="tool",
        name="send",
        tool="payments__send",
        arguments=arguments,
        definition_sha256=None,
        description=None,
        held_because=(),
    )


def test_of_calls_the_arguments_are_compared_whatever_their_order() -> None:
    assert difference(call(to="A", amount=1), call(amount=1, to="A")) == Difference(())
    found = difference(call(to="A", amount=1), call(to="A", amount=2, rows=[{"a": 1}]))
    assert [(line.side, line.text) for line in found.lines] == [
        (Side.BEFORE, "amount: 1"),
        (Side.NOW, "amount: 2"),
        (Side.NOW, "rows: ["),
        (Side.NOW, '    {"a": 1}'),
        (Side.NOW, "  ]"),
    ]


def test_no_argument_can_read_like_two_others() -> None:
    assert difference(call(a="x", b="y"), call(a="x\nb: y")).lines
    assert difference(call(a="x: y"), call(**{"a: x": "y"})).lines
    assert difference(call(a=1), call(a="1")).lines


def test_the_same_question_differs_in_nothing() -> None:
    assert difference(approval("One.\nTwo."), approval("One.\nTwo.")) == Difference(())


def test_lines_that_were_added_and_removed_are_told_apart() -> None:
    found = difference(approval("One.\nTwo."), approval("Two.\nThree."))
    assert [(line.side, line.text) for line in found.lines] == [(Side.BEFORE, "One."), (Side.NOW, "Three.")]


def test_a_line_that_changed_stands_beneath_its_own_with_what_differs_marked() -> None:
    found = difference(approval("Pay 400 EUR to Ana.\nToday."), approval("Pay 4,000 EUR to Ana.\nTonight."))
    assert found.lines == (
        Line(Side.BEFORE, "Pay ", "400", " EUR to Ana."),
        Line(Side.NOW, "Pay ", "4,000", " EUR to Ana."),
        Line(Side.BEFORE, "Today.", "", ""),
        Line(Side.NOW, "Tonight.", "", ""),
    )


def test_reasons_are_compared_only_when_asked_for() -> None:
    before, now = approval(context="Because."), approval(context="Because I say so.")
    assert difference(before, now).lines == ()
    assert [line.text for line in difference(before, now, with_reasons=True).lines] == ["Because.", "Because I say so."]


def test_every_kind_of_question_says_all_that_it_asks() -> None:
    options = (ApprovalOption(id="go", label="Go", approves=True), ApprovalOption(id="no", label="No", approves=False))
    assert lines_of(approval("D", options=options, risk=Risk.HIGH)) == [
        *("Deploy?", "D", "Button: Go (approves)", "Button: No (does not approve)", "Risk: high")
    ]
    selection = AskSelection(prompt="Which?", options=(Choice(id="a", label="A", description="first"),))
    assert lines_of(selection) == ["Which?", "Option: A (a): first"]
    field = FormField(name="n", label="N", type=FieldType.INTEGER, required=True, default=3)
    assert lines_of(AskForm(title="F", fields=(field,))) == ["F", "Field: N (integer, required), 3"]
    assert lines_of(AskTextInput(title="T", prefill="a\r\n\r\nb")) == ["T", "a", "b"]
    assert lines_of(approval(evidence=(Evidence(label="Run", url="https://ci.example/1"),)), with_reasons=True) == [
        *("Deploy?", "Evidence: Run: https://ci.example/1")
    ]


def test_what_differs_in_too_much_is_said_to() -> None:
    many = "\n".join(f"line {number}" for number in range(LINES_COMPARED + 1))
    others = "\n".join(f"other {number}" for number in range(LINES_COMPARED + 1))
    assert difference(approval(many), approval(others)) == Difference((), too_long=True)
    assert difference(approval(many), approval(f"{many}\nand one")).too_long is False


def test_a_very_long_line_is_cut_and_says_by_how_much() -> None:
    [line] = difference(approval(""), approval("x" * (LINE_SHOWN + 40))).lines
    assert (len(line.text), line.more) == (LINE_SHOWN, 40)


def test_a_mark_beyond_the_cut_shows_nothing_twice() -> None:
    same = "word " * (LINE_SHOWN // 5)
    before, now = difference(approval(f"{same}old end"), approval(f"{same}new end")).lines
    assert (before.text, now.text) == (same[:LINE_SHOWN], same[:LINE_SHOWN])
