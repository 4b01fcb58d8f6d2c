"""What an agent is told to do next: one sentence for each way a question can stand.

Models act on these words. So each says plainly whether to act, and what to do instead; none invites a loop.
"""

from store.asking import Report, Superseded
from store.collecting import Halted
from store.held_back import Halt
from store.lifecycle import Kind, Outcome

INSTRUCTIONS = """\
Assent puts questions to people and gives you their answers. Use it before anything that is hard to undo, costs money, \
reaches other people, touches production or personal data, or goes beyond what you were asked to do; and whenever you \
need a choice, facts, a text or a password that only a person can give.

- ask_approval: may I do this? ask_selection: which of these? ask_form: fill this in (passwords come back as handles). \
ask_text_input: write or edit this text.
- The call blocks until a person answers; that may take minutes or hours. Do not poll and do not ask twice: asking the \
same again attaches to the same question.
- Act only if `may_proceed` is true, and then do exactly what was shown. Always follow `next`.
- Say in `context` what you did so far and what will change; a person decides on what they read there.
- After acting on an approval, call report_consequence with what came of it.
- Tools named `upstream__tool` are governed: a call may be held until a person approves exactly its arguments. Wait \
for it, and never look for another way to the same end.
"""


def next_step(standing: Report | Superseded | Halted) -> str:
    """What the agent should do now."""
    if isinstance(standing, Halted):
        return f"{standing.halt.told()} {_step_of_halt(standing.halt, standing.report.request_id)}"
    if isinstance(standing, Superseded):
        return (
            "Another call of yours waits on this same question and gets its answer; do nothing in this one, and do not "
            "proceed because of it."
        )
    step = _step_of_call(standing) if standing.kind is Kind.CALL else _step(standing)
    return f"This was answered before, and here is the same answer again. {step}" if standing.told_before else step


def _step_of_halt(halt: Halt, request_id: str) -> str:
    if halt.revoked:
        return "Nothing may proceed because of this question: do nothing more, and tell your user."
    return (
        "Nothing may proceed because of this question: do nothing more, do not look for another way to the same end, "
        "and tell your user. The question stays open: once people let you go on, await_review with request_id "
        f"{request_id} waits for its answer."
    )


def _step(report: Report) -> str:
    match report.outcome:
        case None:
            return (
                f"Nobody has answered yet, so do not proceed. Call await_review with request_id {report.request_id} to "
                "go on waiting; if you must end your turn instead, tell your user that this question is open."
            )
        case Outcome.ANSWERED if report.kind is Kind.APPROVAL and not report.may_proceed:
            return (
                "A person said no. Do not do it, do not look for another way to the same end, and do not ask the same "
                "again; read the comment and tell your user."
            )
        case Outcome.ANSWERED if report.kind is Kind.APPROVAL:
            return (
                "Approved: do exactly what was shown, once, and nothing beyond it; then call report_consequence with "
                "what came of it."
            )
        case Outcome.ANSWERED:
            return "A person answered: go on with exactly this answer."
        case Outcome.DECLINED:
            return (
                "A person refused to answer. Do not proceed and do not ask the same again; read the comment and tell "
                "your user."
            )
        case Outcome.RETURNED:
            return (
                "A person asks back: read the comment, then ask again with what they want to know and with `follows` "
                f"set to {report.request_id}. Do not proceed before."
            )
        case Outcome.EXPIRED:
            return "Nobody answered in time, which is not an approval. Do not proceed; tell your user."
        case Outcome.WITHDRAWN:
            return "The question was taken back. Do not proceed because of it."


def _step_of_call(report: Report) -> str:
    match report.outcome:
        case None:
            return (
                "This call is held until a person decides, and has not run. Do not call it again, and do not look for "
                f"another way to the same end. Call await_review with request_id {report.request_id} to wait for its "
                "result; if you must end your turn instead, tell your user that this call is waiting for a person."
            )
        case Outcome.ANSWERED if report.may_proceed:
            return "A person approved exactly this call, and it ran, once: its result is here. Do not call it again."
        case Outcome.ANSWERED:
            return (
                "A person refused this call, and it did not run. Do not call it again, neither with other arguments "
                "nor under another name, and do not look for another way to the same end; read the comment and tell "
                "your user."
            )
        case Outcome.DECLINED:
            return (
                "A person refused to decide, and the call did not run. Do not call it again and do not look for "
                "another way to the same end; read the comment and tell your user."
            )
        case Outcome.RETURNED:
            return (
                "A person asks back, and the call did not run. Read the comment: answer them with ask_approval, with "
                f"`follows` set to {report.request_id}, or call again with exactly what they want changed. Do not look "
                "for another way to the same end."
            )
        case Outcome.EXPIRED:
            return (
                "Nobody decided in time, which is not an approval: the call did not run. Do not look for another way "
                "to the same end; tell your user."
            )
        case Outcome.WITHDRAWN:
            return "The call was taken back, and did not run. Do not proceed as if it had."
