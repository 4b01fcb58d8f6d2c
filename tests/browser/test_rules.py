"""Rules, in a real browser: from the file to in force."""

import re

import pytest
from playwright.sync_api import expect

from store.people import Role
from tests.browser import samples
from tests.browser.running_site import RunningSite
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser


def test_an_admin_reads_the_differences_and_puts_the_rules_in_force(site: RunningSite, windows: Windows) -> None:
    page = windows.open(role=Role.ADMIN)
    site.reviewer("mei")
    site.reviewer("otto")
    site.put_in_force(samples.FINANCE_RULES)
    site.propose(samples.PROPOSED_RULES)

    page.goto(site.origin)
    page.get_by_text("More").click()
    page.get_by_role("link", name="Rules").click()
    proposed = page.get_by_role("region", name="Proposed: not in force")
    expect(proposed.get_by_role("listitem").filter(has_text="goes")).to_have_text(re.compile("timeout: 4h"))
    expect(proposed.get_by_role("listitem").filter(has_text="comes")).to_have_count(11)
    proposed.get_by_text("The rules that would be in force").click()
    expect(proposed.get_by_text("denied: Ask the platform team for a credential.")).to_be_visible()
    proposed.get_by_role("button", name="Put these rules in force").click()

    expect(page.get_by_role("status")).to_contain_text("These rules are in force")
    expect(page.get_by_role("region", name="In force")).to_contain_text("activated by Ana; log entry")
    expect(page.get_by_role("region", name="Proposed: not in force")).to_have_count(0)


def test_a_reviewer_reads_the_rules_and_finds_nothing_to_press(site: RunningSite, windows: Windows) -> None:
    page = windows.open()
    site.reviewer("mei")
    site.reviewer("otto")
    site.put_in_force(samples.FINANCE_RULES)
    site.propose(samples.PROPOSED_RULES)

    page.goto(f"{site.origin}/policy")

    expect(page.get_by_text("payments need two people", exact=True)).to_be_visible()
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
