"""From a call to a rule in force, in a real browser."""

import pytest
from playwright.sync_api import expect

from store.people import Role
from tests.browser import proposals
from tests.browser.running_site import RunningSite
from tests.browser.windows import Windows

pytestmark = pytest.mark.browser


def test_a_call_that_was_wrong_becomes_a_rule_that_an_admin_puts_in_force(site: RunningSite, windows: Windows) -> None:
    page = windows.open(role=Role.ADMIN)
    page.goto(f"{site.origin}/watch/{proposals.wrong(site).partition('call=')[2]}")
    page.get_by_role("button", name="This was wrong").click()
    expect(page.get_by_role("heading", name="Propose a rule")).to_be_visible()

    page.get_by_label("Never run").check()
    page.get_by_label("workspace").check()
    expect(page.get_by_label("Those the same that are ticked here")).to_be_checked()
    expect(page.get_by_role("button", name="Propose this rule")).to_be_hidden()
    expect(page.get_by_text("The choices above have changed.")).to_be_visible()
    page.get_by_label("How long").select_option("for a week")
    page.get_by_role("button", name="Show what it would do").click()

    rule = page.get_by_role("region", name="The rule")
    expect(rule).to_contain_text('where workspace is "shop production"')
    expect(rule).to_contain_text("1 call let run and noticed by the rules in force would be denied")
    page.get_by_role("button", name="Propose this rule").click()

    expect(page.get_by_role("status")).to_contain_text("The rule is proposed. Nothing has changed")
    proposed = page.get_by_role("region", name="Proposed because of calls: not in force")
    expect(proposed).to_contain_text("deny infra__plan for deploy-bot")
    proposed.get_by_role("button", name="Put in force").click()

    expect(page.get_by_role("status")).to_contain_text("The file has the rule, too.")
    expect(page.get_by_role("region", name="In force")).to_contain_text("deny infra__plan for deploy-bot")


def test_a_reviewer_makes_an_answer_a_rule_and_cannot_put_it_in_force(site: RunningSite, windows: Windows) -> None:
    page = windows.open()
    request_id = proposals.answered(site)
    page.goto(f"{site.origin}/requests/{request_id}")
    page.get_by_role("link", name="Make this a rule").click()

    expect(page.get_by_role("region", name="The rule")).to_contain_text(
        "would be held all the same: the rule 'large payments are looked at by finance' holds it"
    )
    page.get_by_role("button", name="Propose this rule").click()

    proposed = page.get_by_role("region", name="Proposed because of calls: not in force")
    expect(proposed.get_by_role("link", name="this held call")).to_have_attribute("href", f"/requests/{request_id}")
    expect(proposed.get_by_role("button")).to_have_count(0)


def test_without_scripts_a_rule_is_proposed_all_the_same(site: RunningSite, windows: Windows) -> None:
    page = windows.open(java_script_enabled=False)
    page.goto(site.origin + proposals.wrong(site))
    page.get_by_label("Never run").check()
    page.get_by_role("button", name="Show what it would do").click()
    page.get_by_role("button", name="Propose this rule").click()

    expect(page.get_by_text("denied", exact=True)).to_be_visible()
    assert [one.rule["action"] for one in site.call(site.desk.proposals.open)] == ["deny"]
