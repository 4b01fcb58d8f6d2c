"""The command line. Each command's module is imported when that command runs, so that `assent stdio` starts fast."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from cyclopts import App, CycloptsError

from server.problem import ExitCode, UsageProblem
from server.version import assent_version
from store.problems import Problem

COMMANDS = {
    "serve": ("server.commands.serve:serve", "Run the server: agents connect to it, people decide on its page."),
    "stdio": ("server.commands.stdio:stdio", "Speak MCP on stdin and stdout, for clients that start their servers."),
    "ask": ("server.commands.ask:ask", "Ask a person from a shell script, and wait: approval, selection, text."),
    "hook": ("server.commands.hook:hook", "May a coding agent's own tool run? For clients whose hooks are commands."),
    "open": ("server.commands.open:open_site", "Open the review site in the browser."),
    "status": ("server.commands.status:status", "Say whether the server runs, and where."),
    "stop": ("server.commands.stop:stop", "End the server."),
    "doctor": ("server.commands.doctor:doctor", "Say which promise this installation keeps, and what is unsafe."),
    "client": ("server.commands.client:client", "Print what to paste into an MCP client."),
    "user": ("server.commands.user:user", "Reviewers: add, list, token."),
    "audit": ("server.commands.audit:audit", "The signed log: verify, export, prove, key."),
    "credentials": ("server.commands.credentials:credentials", "Secrets that people typed: list, revoke."),
    "adopt": ("server.commands.adopt:adopt", "Move the MCP servers of a client's configuration file behind Assent."),
    "upstreams": ("server.commands.upstreams:upstreams", "The servers behind Assent, and how they are doing."),
    "policy": ("server.commands.policy:policy", "Rules: check, activate, explain a call, replay, suggest."),
    "agent": ("server.commands.agent:agent", "Agents: add, list, pause, stop, resume, revoke."),
}

app = App(
    name="assent",
    help="Puts a human's consent between an AI agent and the world.",
    version=assent_version,
    version_flags=["--version"],
)
for name, (target, summary) in COMMANDS.items():
    app.command(target, name=name, help=summary)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 1 for a failure, 2 for wrong usage; `ask` has more of them."""
    # Everything a home holds is its owner's alone, including what libraries create in it.
    os.umask(0o077)
    _import_command(arguments)
    try:
        code = app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _complain(str(error), "see: assent --help", ExitCode.USAGE)
    except UsageProblem as problem:
        return _complain(problem.message, problem.hint, ExitCode.USAGE)
    except Problem as problem:
        return _complain(problem.message, problem.hint, ExitCode.FAILURE)
    except KeyboardInterrupt:
        return _complain("interrupted", "run the command again to finish it", ExitCode.FAILURE)
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more when it flushes stdout at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILURE
    return code if isinstance(code, int) else 0


def _import_command(arguments: Sequence[str]) -> None:
    """Import what the command is made of, and take it out of the collector's sight for good.

    Modules make nothing but what stays. Looking for garbage in it takes a fifth of a start, and a part of every later
    look.
    """
    target, _ = COMMANDS.get(arguments[0] if arguments else "", ("", ""))
    if not target:
        return
    gc.disable()
    try:
        import_module(target.partition(":")[0])
    finally:
        gc.freeze()
        gc.enable()


def _complain(message: str, hint: str, code: ExitCode) -> int:
    print(f"error: {_one_line(message)}", file=sys.stderr)
    print(f"hint: {_one_line(hint)}", file=sys.stderr)
    return code


def _one_line(text: str) -> str:
    return " ".join(text.split())
