"""What a supervisor asks for: whether this server answers and can write, which one it is, and how much waits.

Numbers and names of ours only: nothing here needs a credential, because nothing here tells what agents or people wrote.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import time

from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from server.exposition import Metric, Sample, rendered
from server.version import assent_version
from store import tables
from store.database import Database
from store.desk import Desk
from store.lifecycle import Outcome

# People take from seconds to a day: the longest that a request lives.
LATENCIES = (5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
BY_PEOPLE = frozenset({Outcome.ANSWERED, Outcome.DECLINED, Outcome.RETURNED})


def routes(desk: Desk, database: Database, instance: str) -> list[Route]:
    """`/healthz` and `/metrics`."""
    tally = Tally(database.clock())
    began = time()

    async def health(request: Request) -> Response:
        # Only while the newest write failed is another one tried, so that asking costs nothing on a healthy server. A
        # probe that succeeds clears it: a disk that has room again needs nobody to say so.
        failing = None if database.failing is None else await database.probe()
        # The instance tells a caller whether this is the very server that a home's run file names.
        about = {"version": assent_version(), "instance": instance}
        if failing is not None:
            return JSONResponse({"status": "failing", "reason": failing, **about}, status_code=503)
        return JSONResponse({"status": "ok", **about})

    async def metrics(request: Request) -> Response:
        tally.add(await database.read(tally.rows))
        size = await database.read(_log_size)
        gauges = [
            _one("assent_open_requests", "gauge", "Questions that nobody has answered yet.", len(await desk.inbox())),
            _one(
                "assent_waiting_requests",
                "gauge",
                "Those of them whose agent is on the line right now.",
                len(desk.waiting),
            ),
            _one("assent_log_entries", "counter", "Entries in the signed log.", size),
            _one(
                "assent_write_failing", "gauge", "1 while the database refuses to write.", int(bool(database.failing))
            ),
            _one(
                "assent_write_failures_total",
                "counter",
                "Commits that the database refused since the start.",
                database.write_failures,
            ),
            _one("process_start_time_seconds", "gauge", "When this process began, in Unix time.", began),
            Metric(
                "assent_build_info", "gauge", "Which version this is.", (Sample("", {"version": assent_version()}, 1),)
            ),
        ]
        text = rendered([*gauges, *tally.metrics()])
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    return [Route("/healthz", health), Route("/metrics", metrics)]


@dataclass(frozen=True)
class Closed:
    """A request that ended."""

    outcome: Outcome
    opened_at: datetime
    closed_at: datetime


@dataclass
class Tally:
    """How requests ended since the start of this process, read from their rows when somebody asks.

    `seen` is the newest row that was counted. Rows close in the order of the clock, so the next look begins there, and
    costs what closed in between. A clock that is set back leaves out what closes until it has caught up.
    """

    seen: datetime
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    buckets: Counter[float] = field(default_factory=Counter)
    seconds: float = 0.0

    def rows(self, connection: Connection) -> list[Closed]:
        """What closed since the last look."""
        requests = tables.requests.c
        found = connection.execute(
            select(requests.outcome, requests.opened_at, requests.closed_at)
            .where(requests.closed_at > self.seen)
            .order_by(requests.closed_at)
        )
        return [Closed(Outcome(row.outcome), row.opened_at, row.closed_at) for row in found]

    def add(self, rows: Sequence[Closed]) -> None:
        """Count these. Two who look at once read the same rows: whoever comes second finds them counted."""
        for row in rows:
            if row.closed_at > self.seen:
                self._add(row.outcome, (row.closed_at - row.opened_at).total_seconds())
        if rows:
            self.seen = max(self.seen, rows[-1].closed_at)

    def _add(self, outcome: Outcome, seconds: float) -> None:
        self.outcomes[outcome] += 1
        if outcome in BY_PEOPLE:
            self.seconds += seconds
            for bound in LATENCIES:
                self.buckets[bound] += seconds <= bound

    def metrics(self) -> list[Metric]:
        people = sum(self.outcomes[outcome] for outcome in BY_PEOPLE)
        buckets = [Sample("_bucket", {"le": f"{bound:g}"}, self.buckets[bound]) for bound in LATENCIES]
        return [
            Metric(
                "assent_requests_closed_total",
                "counter",
                "Requests that ended since the start, by outcome.",
                tuple(Sample("", {"outcome": outcome.value}, self.outcomes[outcome]) for outcome in Outcome),
            ),
            Metric(
                "assent_answer_seconds",
                "histogram",
                "From the question to a person's answer.",
                (
                    *buckets,
                    Sample("_bucket", {"le": "+Inf"}, people),
                    Sample("_sum", {}, self.seconds),
                    Sample("_count", {}, people),
                ),
            ),
        ]


def _log_size(connection: Connection) -> int:
    return connection.execute(select(tables.log_head.c.size)).scalar() or 0


def _one(name: str, kind: str, text: str, value: float) -> Metric:
    return Metric(name, kind, text, (Sample("", {}, value),))
