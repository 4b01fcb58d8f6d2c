"""Definitions of strangers, as lines that compare."""

from review_web.definition_lines import definition_lines, description_of


def test_what_people_read_first_stands_first_and_everything_else_follows() -> None:
    content = {
        "zeta": None,
        "inputSchema": {"type": "object", "properties": {"b": {"type": "string"}, "a": {"enum": [1, 2]}}},
        "description": "One.\nTwo.",
        "_meta": {},
        "name": "send",
    }
    assert definition_lines(content) == [
        "name: send",
        "description: One.",
        "  Two.",
        "inputSchema: {",
        '    "properties": {',
        '      "a": {',
        '        "enum": [1, 2]',
        "      },",
        '      "b": {"type": "string"}',
        "    },",
        '    "type": "object"',
        "  }",
        "_meta: {}",
        "zeta: null",
    ]


def test_the_order_of_keys_makes_no_difference() -> None:
    assert definition_lines({"name": "a", "x": {"b": 1, "a": 2}}) == definition_lines(
        {"x": {"a": 2, "b": 1}, "name": "a"}
    )


def test_a_description_that_is_no_text_is_none() -> None:
    assert (description_of({"description": 7}), description_of({"description": " "}), description_of({})) == (None,) * 3
