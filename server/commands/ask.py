"""`assent ask …`: a gate for shell scripts. Starts fast: it imports neither the server nor the database nor the SDK."""

import json
import re
import shlex
import sys
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Literal

import anyio
from cyclopts import App, Parameter
from cyclopts.validators import Number

from server.commands.options import NO_FLAGS, Shared
from server.destination import chosen
from server.envelope import Message
from server.inquiry import PENDING, Inquiry, Refused, is_superseded
from server.problem import UsageProblem
from store.problems import Problem

APPROVAL, SELECTION, TEXT = "ask_approval", "ask_selection", "ask_text_input"
OWN_FIELDS = {APPROVAL: ("decision", "approved"), SELECTION: ("selected",), TEXT: ("text", "edited")}
SHARED_FIELDS = (
    *("status", "may_proceed", "next", "request_id", "review_url", "waited_seconds"),
    *("comment", "decided_by", "decided_at", "audit"),
)
TOLD_BEFORE = "This was answered before"
EFFECTS = {"approves": True, "refuses": False}
FLAGS = {
    "title": "the question",
    "prompt": "the question",
    "options": "--option",
    "timeout_seconds": "--timeout",
    "idempotency_key": "--key",
    **{name: f"--{name}" for name in ("context", "description", "prefill", "risk", "workflow")},
}


class Gate(IntEnum):
    """How the command exits once a question was asked; 1 and 2 are failures, as everywhere."""

    OPEN = 0
    REFUSED = 3
    EXPIRED = 4
    PENDING = 5


STATUS_GATES = {"expired": Gate.EXPIRED, PENDING: Gate.PENDING}

ask = App(
    name="ask",
    help="Ask a person, and wait: a gate for shell scripts. "
    "Exits 0 if the script may proceed, 3 if a person refused or asked back, 4 if nobody answered in time, and 5 if "
    "the question is still open.",
)


def _words(help_: str) -> Parameter:
    """A flag for text, which may well begin with a hyphen, as lists do."""
    return Parameter(help=help_, allow_leading_hyphen=True)


@Parameter(name="*")
@dataclass(frozen=True)
class Terms:
    """What every kind of question takes."""

    agent: Annotated[str, Parameter(help="The name under which reviewers see this script.")] = "shell"
    context: Annotated[str | None, _words("Markdown: what was done, why you ask, what will change.")] = None
    risk: Annotated[
        Literal["low", "medium", "high", "critical"] | None, Parameter(help="How much harm it could do.")
    ] = None
    timeout: Annotated[int | None, Parameter(help="Seconds until the question expires; 86400 unless told.")] = None
    hold: Annotated[
        int | None,
        Parameter(help="Seconds to wait before exiting with 5; the question stays.", validator=Number(gte=0)),
    ] = None
    key: Annotated[str | None, Parameter(help="A name for this question: the same again gets the same answer.")] = None
    workflow: Annotated[str | None, Parameter(help="A label that groups requests.")] = None
    url: Annotated[str | None, Parameter(help="A server elsewhere; ASSENT_TOKEN opens it.")] = None

    def arguments(self, **own: object) -> Message:
        """The tool's arguments: these and the question's own, without what was left out."""
        common = {
            "context": self.context,
            "risk": self.risk,
            "timeout_seconds": self.timeout,
            "idempotency_key": self.key,
            "workflow": self.workflow,
        }
        return {name: value for name, value in {**own, **common}.items() if value is not None}


NO_TERMS = Terms()
Description = Annotated[str | None, _words("Markdown: exactly what will happen, or what it is for.")]
Options = Annotated[list[str] | None, Parameter(name="--option", negative=())]


@ask.command
def approval(
    question: str,
    /,
    *,
    description: Description = None,
    option: Annotated[Options, Parameter(help="A button of yours, ID:LABEL:approves or ID:LABEL:refuses.")] = None,
    terms: Terms = NO_TERMS,
    shared: Shared = NO_FLAGS,
) -> Gate:
    """May I? Prints nothing on stdout; with --option the id of the button that was chosen."""
    options = [_button(text) for text in option] if option else None
    if options and {button["approves"] for button in options} != set(EFFECTS.values()):
        raise UsageProblem(
            "--option must offer both: one button that approves, and one that refuses",
            "add one, such as --option no:Not now:refuses",
        )
    arguments = terms.arguments(title=question, description=description, options=options)
    gate, result = _asked(APPROVAL, arguments, terms, shared)
    if options and not shared.json and isinstance(result.get("decision"), str):
        print(result["decision"], flush=True)
    return gate


@ask.command
def selection(
    question: str,
    /,
    *,
    option: Annotated[Options, Parameter(help="What can be chosen, ID or ID:LABEL; give it again for each.")] = None,
    multiple: Annotated[bool, Parameter(help="Let the person choose several.", negative=())] = False,
    terms: Terms = NO_TERMS,
    shared: Shared = NO_FLAGS,
) -> Gate:
    """Which of these? Prints the chosen ids, one a line."""
    if not option:
        raise UsageProblem(
            "without --option there is nothing to choose from", "give each choice with --option ID or --option ID:LABEL"
        )
    arguments = terms.arguments(
        prompt=question, options=[_choice(text) for text in option], mode="multiple" if multiple else None
    )
    gate, result = _asked(SELECTION, arguments, terms, shared)
    if gate is Gate.OPEN and not shared.json:
        print("".join(f"{chosen_id}\n" for chosen_id in result.get("selected") or ()), end="", flush=True)
    return gate


@ask.command
def text(
    question: str,
    /,
    *,
    description: Description = None,
    prefill: Annotated[str | None, _words("A draft to edit; - reads it from stdin.")] = None,
    terms: Terms = NO_TERMS,
    shared: Shared = NO_FLAGS,
) -> Gate:
    """Write, or edit, this text. Prints exactly the text, without a line break of its own."""
    if prefill == "-":
        prefill = _stdin()
    gate, result = _asked(
        TEXT, terms.arguments(title=question, description=description, prefill=prefill), terms, shared
    )
    if gate is Gate.OPEN and not shared.json:
        # As bytes: neither the locale nor the platform's line breaks may change what the person wrote.
        sys.stdout.buffer.write(str(result["text"]).encode())
        sys.stdout.buffer.flush()
    return gate


def _asked(tool: str, arguments: Message, terms: Terms, shared: Shared) -> tuple[Gate, Message]:
    """Ask, wait, and tell people on stderr how it went. With --json the result is printed here."""
    destination = chosen(shared.settings(), agent=terms.agent, url=terms.url)
    teller = Teller()
    inquiry = Inquiry(destination, tool, arguments, posted=lambda result: teller.waiting(result["review_url"]))
    inquiry.on_progress, inquiry.on_loss = teller.say, teller.lost
    interrupted = False
    try:
        result = anyio.run(inquiry.answered, terms.hold)
    except Refused as refusal:
        raise _refusal(str(refusal), posted=inquiry.latest is not None) from None
    except Problem:
        if inquiry.latest is not None:
            teller.stays_open(inquiry.latest)
        raise
    except KeyboardInterrupt:
        if inquiry.latest is None:
            raise
        result, interrupted = inquiry.latest, True
    gate = gate_of(result)
    teller.ended(result, interrupted=interrupted)
    whole = {name: result.get(name) for name in (*SHARED_FIELDS, *OWN_FIELDS[tool])}
    if shared.json:
        print(json.dumps(whole, ensure_ascii=False), flush=True)
    return gate, whole


def gate_of(result: Message) -> Gate:
    """The gate opens for an answer that says so, and for nothing else."""
    if result["status"] == "answered" and result.get("may_proceed") is True:
        return Gate.OPEN
    return STATUS_GATES.get(result["status"], Gate.REFUSED)


class Teller:
    """Says on stderr what goes on, each thing once: stdout belongs to the script."""

    def __init__(self) -> None:
        self._said: str | None = None

    def waiting(self, url: str) -> None:
        self.say(f"Waiting for a person: {url}")

    def lost(self, reason: str) -> None:
        self.say(f"Lost the server ({reason}); looking for it again. The question is kept.")

    def stays_open(self, result: Message) -> None:
        self.say(f"The question stays open at {result['review_url']}. To come back to it:")
        self.say(f"  {shlex.join(sys.argv)}")

    def ended(self, result: Message, *, interrupted: bool) -> None:
        who = result.get("decided_by") or "a person"
        if str(result.get("next")).startswith(TOLD_BEFORE):
            self.say("This was answered before, and here is the same answer again.")
        match result["status"]:
            case "answered" if "approved" in result and result.get("approved") is not None:
                verb = "Approved" if result.get("may_proceed") is True else "Not approved"
                self.say(f"{verb} by {who} ({result.get('decision')}).")
            case "answered":
                self.say(f"Answered by {who}.")
            case "declined":
                self.say(f"{who} refused to answer.")
            case "returned":
                self.say(f"{who} asks back; say more with --context and ask again.")
            case "expired":
                self.say("Nobody answered in time, which is no approval.")
            case "withdrawn":
                self.say("The question was taken back.")
            case _ if is_superseded(result):
                self.say("Another run of this question waits for the answer now, and gets it.")
            case _:
                self.say("Interrupted." if interrupted else "Nobody has answered yet.")
                self.stays_open(result)
        if result.get("comment"):
            self.say("".join(f"  {line}\n" for line in str(result["comment"]).splitlines()).rstrip("\n"))

    def say(self, message: str) -> None:
        if message != self._said:
            print(_harmless(message), file=sys.stderr, flush=True)
        self._said = message


def _harmless(message: str) -> str:
    """Without anything that a terminal would obey: names and comments are other people's words."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in message)


def _button(given: str) -> Message:
    identifier, _, rest = given.partition(":")
    label, _, effect = rest.rpartition(":")
    if effect not in EFFECTS:
        raise UsageProblem(
            f"--option {given} does not say whether it approves",
            "write it as ID:LABEL:approves or ID:LABEL:refuses, such as ship:Ship it:approves",
        )
    return {"id": identifier, "approves": EFFECTS[effect], **({"label": label} if label else {})}


def _choice(given: str) -> Message:
    identifier, _, label = given.partition(":")
    return {"id": identifier, **({"label": label} if label else {})}


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageProblem("--prefill - reads UTF-8, and stdin is something else", "convert it first") from error


def _refusal(said: str, *, posted: bool) -> Problem:
    """The server's words for a call it refuses, with our flags in place of the tool's arguments."""
    faults = said.partition(" Nothing was posted.")[0]
    named = re.sub(r"(?:^|(?<=; ))\w+(?=[\[.:])", lambda found: FLAGS.get(found[0], found[0]), faults)
    if named != faults:
        return UsageProblem(named.rstrip("."), "nothing was asked; see: assent ask --help")
    return Problem(faults.rstrip("."), "do not proceed" if posted else "nothing was asked, so do not proceed")
