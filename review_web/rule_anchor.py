"""Where a rule stands on the page of rules. Pure."""


def rule_anchor(name: str) -> str:
    """The id of its element: a word of ASCII, different for each name."""
    return f"rule-{name.encode().hex()}"
