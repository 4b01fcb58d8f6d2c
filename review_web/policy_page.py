"""The rules: what is in force, what the file and what people propose, and the buttons that put it in force.

A changed file changes nothing. An admin who proved within ten minutes who they are activates the very text that the
page showed them, in place of the very rules that it was compared with; if either moved meanwhile, nothing happens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from review_web.compared import Line, compared
from review_web.errors import sentence
from review_web.launch_lines import LaunchRow, launch_rows
from review_web.proof import Proof, proof_of, require_proven_admin
from review_web.proposed_rules import ProposedPart, proposed_part
from review_web.replay_words import ReplayPart, replay_part
from review_web.rule_anchor import rule_anchor
from review_web.sessions import require_reviewer
from review_web.site_context import Site
from store.people import Role
from store.policy.active import Activation, NotAdmin, PolicyMoved, Via
from store.policy.additions import CannotAdd
from store.policy.file import InFile, read_file
from store.policy.findings import Finding
from store.policy.overview import Matched
from store.policy.policies import Look
from store.policy.proposed import ProposalProblem
from store.policy.reading import PolicyMistake, sha256_of
from store.policy.rules import Action
from store.policy.words import what_it_asks, what_it_matches
from store.problems import PolicyUnreadable

_IN_FORCE = (
    "These rules are in force, from the next question and the next call on. What is open keeps the rules that it was "
    "asked under; a held call is judged once more before it runs."
)
_IN_FILE: Mapping[str, str] = {
    InFile.SAME.value: "The file has the rule, too.",
    InFile.ADDED.value: "The file has the rule, too, beside the changes that wait in it.",
    InFile.FAILED.value: (
        "The file could not be changed, and does not have the rule: add it there yourself, or putting the file in "
        "force takes the rule out again."
    ),
}
CALLS_REPLAYED = 500
"""Calls that a proposal is tried on by each look at the page; the command line tries more."""


@dataclass(frozen=True)
class RuleRow:
    """One rule, in words."""

    name: str
    anchor: str
    matches: str
    asks: tuple[str, ...]
    matched: Matched


@dataclass(frozen=True)
class Proposal:
    """A file that differs from what is in force, and could be read."""

    sha256: str
    rules: tuple[RuleRow, ...]
    lines: tuple[Line, ...]
    launches: tuple[LaunchRow, ...]
    """The servers behind this one that it names, and those that go."""
    replay: ReplayPart | None
    """What it would have done with the newest calls; None where there were none."""
    mistakes: tuple[Finding, ...]
    """Why it cannot be activated as it is."""
    warnings: tuple[Finding, ...]

    @property
    def launches_change(self) -> bool:
        """Whether other commands will run, or other servers be reached, than now."""
        return any(row.comes for row in self.launches)

    @property
    def commands_change(self) -> bool:
        """Whether other commands will run than now."""
        return any(row.comes and row.runs for row in self.launches)


@dataclass(frozen=True)
class PolicyPage:
    """Context of `policy.html`."""

    in_force: Activation | None
    on_command_line: bool
    rules: tuple[RuleRow, ...]
    """Of what is in force."""
    upstreams: int
    """How many servers behind this one it names."""
    default: Action
    """What becomes of their calls that no rule matches."""
    findings: tuple[Finding, ...]
    """What is doubtful about it by now: people and agents change."""
    unreadable: str | None
    """Why nobody can say what is in force; agents cannot ask anything then."""
    position: int
    """Which activation the page looked at."""
    is_admin: bool
    file: str | None
    """Where rules are proposed; None for everybody but admins."""
    proposal: Proposal | None
    """None: there is no file, it is what is in force, or it has a mistake."""
    same: bool
    """The file is what is in force."""
    mistake: str | None
    """Why the file cannot be read."""
    proposed: ProposedPart
    """What people proposed because of calls."""
    proof: Proof
    done: str | None
    """What was just done, in words."""
    problem: str | None


@dataclass(frozen=True)
class _Drafted:
    """The file, as far as it could be read."""

    proposal: Proposal | None = None
    same: bool = False
    mistake: str | None = None


def routes(site: Site) -> list[BaseRoute]:
    """`GET /policy`, and `POST /policy/activate` with `proposal` and `instead_of` as the page had them; for what people
    proposed `POST /policy/proposals/{id}/accept` with `shown` and `instead_of`, and `…/aside`."""

    async def show(request: Request) -> Response:
        return await _page(site, request)

    async def activate(request: Request) -> Response:
        session = require_proven_admin(site, request)
        form = await request.form()
        seen, instead_of = form.get("proposal"), form.get("instead_of")
        try:
            text = await _file_text(site.settings.policy_file)
            if text is None or sha256_of(text) != seen or not isinstance(instead_of, str):
                return await _page(
                    site, request, problem="The file changed since you looked. Nothing was changed: look again, below."
                )
            await site.desk.policies.activate(
                text, reviewer=session.reviewer, via=Via.PAGE, instead_of=int(instead_of), session_id=session.id
            )
        except (PolicyMistake, PolicyMoved, NotAdmin) as problem:
            return await _page(site, request, problem=f"{sentence(problem.message)} {problem.hint}".strip())
        except ValueError:
            return await _page(site, request, problem="That was no page of ours. Nothing was changed.")
        return RedirectResponse("/policy?done=1", 303)

    async def accept(request: Request) -> Response:
        session = require_proven_admin(site, request)
        form = await request.form()
        shown, instead_of = form.get("shown"), form.get("instead_of")
        try:
            accepted = await site.desk.proposals.accept(
                request.path_params["id"],
                shown=str(shown),
                instead_of=int(str(instead_of)),
                session=session,
                file=site.settings.policy_file,
            )
        except (ProposalProblem, PolicyMistake, PolicyMoved, NotAdmin, CannotAdd, PolicyUnreadable) as problem:
            return await _page(site, request, problem=f"{sentence(problem.message)} {problem.hint}".strip())
        except ValueError:
            return await _page(site, request, problem="That was no page of ours. Nothing was changed.")
        return RedirectResponse(f"/policy?accepted={accepted.in_file.value}", 303)

    async def put_aside(request: Request) -> Response:
        session = require_proven_admin(site, request)
        try:
            await site.desk.proposals.put_aside(request.path_params["id"], session=session)
        except (ProposalProblem, NotAdmin) as problem:
            return await _page(site, request, problem=f"{sentence(problem.message)} {problem.hint}".strip())
        return RedirectResponse("/policy?aside=1", 303)

    return [
        Route("/policy", show, methods=["GET"], name="policy"),
        Route("/policy/activate", activate, methods=["POST"]),
        Route("/policy/proposals/{id}/accept", accept, methods=["POST"]),
        Route("/policy/proposals/{id}/aside", put_aside, methods=["POST"]),
    ]


async def _page(site: Site, request: Request, *, problem: str | None = None) -> Response:
    session = require_reviewer(request)
    is_admin = session.reviewer.role is Role.ADMIN
    policies = site.desk.policies
    # Before the rules themselves: should others come in between, activating finds that this is not the newest.
    position = await policies.position()
    in_force, unreadable, look, proposed = None, None, None, ProposedPart()
    try:
        in_force = await policies.in_force()
        look = None if in_force is None else await policies.look(in_force.text)
        proposed = await proposed_part(site)
    except PolicyUnreadable as unread:
        unreadable = sentence(unread.message)
    drafted = await _drafted(site, in_force, look) if is_admin else _Drafted()
    file = site.settings.policy_file
    page = PolicyPage(
        in_force=in_force,
        on_command_line=in_force is not None and in_force.via is Via.COMMAND_LINE,
        rules=() if look is None else _rows(look),
        upstreams=0 if look is None else len(look.policy.upstreams),
        default=Action.HOLD if look is None else look.policy.default,
        findings=() if look is None else look.findings,
        unreadable=unreadable,
        position=position,
        is_admin=is_admin,
        file=str(file) if is_admin and file is not None else None,
        proposal=drafted.proposal,
        same=drafted.same,
        mistake=drafted.mistake,
        proof=await proof_of(site, request),
        proposed=proposed,
        done=_done(request) if problem is None else None,
        problem=problem,
    )
    return site.templates.respond(request, "policy.html", page, status_code=200 if problem is None else 409)


def _done(request: Request) -> str | None:
    """What an address that a form led to says was done; words of ours only."""
    given = request.query_params
    if given.get("done") == "1":
        return _IN_FORCE
    if "accepted" in given:
        return f"{_IN_FORCE} {_IN_FILE.get(given['accepted'], '')}".strip()
    if "proposed" in given:
        return "The rule is proposed. Nothing has changed: an admin puts it in force, or aside, below."
    return "The proposed rule was put aside. Nothing has changed." if "aside" in given else None


async def _drafted(site: Site, in_force: Activation | None, old: Look | None) -> _Drafted:
    try:
        text = await _file_text(site.settings.policy_file)
        if text is None:
            return _Drafted()
        if in_force is not None and text == in_force.text:
            return _Drafted(same=True)
        look = await site.desk.policies.look(text)
    except PolicyMistake as mistake:
        hint = "" if mistake.hint.startswith("Nothing was changed") else mistake.hint
        return _Drafted(mistake=f"{sentence(mistake.message)} {hint}".strip())
    before = "" if in_force is None else in_force.text
    return _Drafted(
        Proposal(
            sha256=look.policy.sha256,
            rules=_rows(look),
            lines=await anyio.to_thread.run_sync(compared, before, text),
            launches=launch_rows(look.policy.upstreams, () if old is None else old.policy.upstreams),
            replay=replay_part(await site.desk.policies.replay(text, CALLS_REPLAYED)),
            mistakes=tuple(one for one in look.findings if one.refuses),
            warnings=tuple(one for one in look.findings if not one.refuses),
        )
    )


async def _file_text(file: Path | None) -> str | None:
    return None if file is None else await anyio.to_thread.run_sync(read_file, file)


def _rows(look: Look) -> tuple[RuleRow, ...]:
    return tuple(
        RuleRow(rule.name, rule_anchor(rule.name), what_it_matches(rule), what_it_asks(rule), matched)
        for rule, matched in zip(look.policy.rules, look.matched, strict=True)
    )
