"""Upstreams as tests have them: as values of a policy, as text of a policy, and as processes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from store.policy.upstreams import Upstream
from tests.repository import ROOT
from tests.upstreams.everything import BOTH


def everything(name: str = "up", folder: Path | None = None, *, era: str = BOTH, **more: Any) -> Upstream:
    """The well-behaved upstream over stdio; its notebook is `Notebook(folder)`."""
    args = ["-m", "tests.upstreams.everything", "--era", era, *_in(folder)]
    return Upstream(name, command=sys.executable, args=tuple(args), cwd=str(ROOT), **more)


def broken(name: str, mode: str, **more: Any) -> Upstream:
    """An upstream over stdio that is bad in this way; see `broken.py`."""
    args = ("-m", "tests.upstreams.broken", mode)
    return Upstream(name, command=sys.executable, args=args, cwd=str(ROOT), **more)


@contextmanager
def over_http(
    name: str = "up", folder: Path | None = None, *, era: str = BOTH, port: int = 0, **more: Any
) -> Iterator[Upstream]:
    """The well-behaved upstream over HTTP, for the length of the block."""
    command = ["tests.upstreams.everything", "--http", "--port", str(port), "--era", era, *_in(folder)]
    with serving(*command) as found:
        yield Upstream(name, url=f"http://127.0.0.1:{found}/mcp", **more)


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[int]:
    """A module that prints its port and serves; the port, for the length of the block."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def policy_text(*upstreams: Upstream, rules: str = "", default: str = "hold") -> str:
    """The text of a policy with these upstreams. `rules` is YAML: the list under `rules:`, or nothing."""
    lines = ["version: 1", f"default: {default}", "upstreams:"]
    # JSON is YAML, and leaves no doubt about quoting.
    lines += [f"  {upstream.name}: {json.dumps(_written(upstream))}" for upstream in upstreams]
    return "\n".join([*lines, *(["rules:", rules] if rules else []), ""])


def _written(upstream: Upstream) -> Mapping[str, Any]:
    fields: dict[str, Any] = {"timeout": f"{upstream.timeout_seconds}s"}
    if upstream.url is not None:
        fields |= {"url": upstream.url, "headers": dict(upstream.headers)}
    else:
        fields |= {"command": upstream.command, "args": list(upstream.args), "env": dict(upstream.env)}
        fields["cwd"] = upstream.cwd
    fields |= {"idempotency_meta": upstream.idempotency_meta, "idempotency_argument": upstream.idempotency_argument}
    return {key: value for key, value in fields.items() if value}


def _in(folder: Path | None) -> tuple[str, ...]:
    return () if folder is None else ("--folder", str(folder))
