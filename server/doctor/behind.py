"""The servers behind Assent: as whom they run, by which way they are reached, and what of them waits for a person."""

import os
from collections.abc import Collection, Sequence
from pathlib import PurePath
from urllib.parse import urlsplit

from server import upstream_environment
from server.addresses import is_loopback
from server.doctor.findings import Finding, note, weak
from server.home import Home
from store.policy.reading import PolicyMistake, read
from store.policy.upstreams import ENVIRONMENT, Upstream
from store.problems import Problem

_RUNNERS = frozenset({"npx", "bunx", "pnpx", "uvx"})
_WORDS_BEFORE = frozenset({"--from", "-p", "--package"})


def upstreams(policy: str | None) -> tuple[Upstream, ...]:
    """Those that the rules in force name; none where they cannot be read, which the server says itself."""
    try:
        return () if policy is None else read(policy).upstreams
    except PolicyMistake:
        return ()


def known_variables(home: Home) -> frozenset[str]:
    """The names that have a value here; the server may have more."""
    try:
        kept = upstream_environment.read(home.upstreams_env_file)
    except Problem:
        kept = {}
    return frozenset({*kept, *os.environ})


def judged(found: Sequence[Upstream], owner: str, known: Collection[str]) -> list[Finding]:
    """What is weak about them. `owner` is whom the server runs as, `known` the variables that have a value here."""
    findings = []
    if started := [one.name for one in found if one.command is not None]:
        findings.append(
            weak(
                "upstreams-run-as-server",
                f"These upstreams run as {owner}, like the server: {', '.join(started)}.",
                "Rules stop agents and not these programs: each can read the server's keys, database and credentials.",
                "run those that you do not trust as another user or elsewhere, and name them by url",
            )
        )
    if floating := [one.name for one in found if is_floating(one)]:
        findings.append(
            weak(
                "upstreams-not-pinned",
                f"These upstreams run whatever version is the newest: {', '.join(floating)}.",
                "Whoever publishes the package changes what runs, and no definition need change with it.",
                "name a version, such as package@1.2.3, and activate the policy",
            )
        )
    if plain := [one.name for one in found if _is_plain(one)]:
        findings.append(
            weak(
                "upstreams-without-tls",
                f"These upstreams are reached by http beyond this machine: {', '.join(plain)}.",
                "Whoever sits between reads what is sent, headers too, and can answer in their place.",
                "reach them by https",
            )
        )
    if missing := sorted(_variables(found) - set(known)):
        findings.append(
            note(
                "upstream-variables",
                f"These variables of upstreams have no value here: {', '.join(missing)}.",
                "If the server does not find them in its own environment either, those upstreams stay down.",
                "write NAME=value into upstreams.env in the home",
            )
        )
    return findings


def waiting(count: int) -> list[Finding]:
    """Definitions that are new or changed."""
    if count == 0:
        return []
    wait = "1 definition of upstreams waits" if count == 1 else f"{count} definitions of upstreams wait"
    return [
        note(
            "definitions-wait",
            f"{wait} for a person.",
            "What is new cannot be called, and every call of what changed is held, until somebody accepts it.",
            "look at the page Upstreams, or: assent upstreams",
        )
    ]


def is_floating(upstream: Upstream) -> bool:
    """Whether its command fetches a package without saying which version."""
    if upstream.command is None or PurePath(upstream.command).stem not in _RUNNERS:
        return False
    words = list(upstream.args)
    named = next((words[at + 1] for at, word in enumerate(words[:-1]) if word in _WORDS_BEFORE), None)
    package = named or next((word for word in words if not word.startswith("-")), "")
    version = package[1:].partition("@")[2] or package.partition("==")[2]
    return bool(package) and not package.startswith((".", "/")) and version in ("", "latest")


def _is_plain(upstream: Upstream) -> bool:
    parts = urlsplit(upstream.url or "")
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def _variables(found: Sequence[Upstream]) -> set[str]:
    values = [value for one in found for _, value in (*one.env, *one.headers)]
    return {match[1] for value in values for match in ENVIRONMENT.finditer(value)}
