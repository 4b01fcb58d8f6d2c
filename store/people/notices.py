"""What everybody is told of for a day: accounts that were reset, and what was made on the command line.

Whoever has the server's files can make an account and answer with it. They cannot do so unseen: it is an entry, and it
stands on every page of everybody else.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, literal, select, union_all

from store import tables
from store.deciding.eligibility import RESET_BAR
from store.people.accounts import Origin

SHOWN = RESET_BAR


class News(StrEnum):
    """What happened to whom."""

    RESET = "reset"
    ACCOUNT = "account"
    INVITATION = "invitation"
    TOKEN = "token"


@dataclass(frozen=True)
class Notice:
    """Something about an account that everybody should know of while it is new."""

    news: News
    username: str
    at: datetime

    @property
    def until(self) -> datetime:
        return self.at + SHOWN


def notices(connection: Connection, now: datetime) -> tuple[Notice, ...]:
    """What is less than a day old, the newest first."""
    since = now - SHOWN
    people, links, tokens = tables.reviewers.c, tables.invitations.c, tables.reviewer_tokens.c
    queries = (
        _told(News.RESET, people.username, people.reset_at),
        _told(News.ACCOUNT, people.username, people.created_at).where(people.origin == Origin.COMMAND.value),
        _told(News.INVITATION, links.username, links.created_at).where(
            links.made_by.is_(None), links.reviewer_id.is_(None)
        ),
        _told(News.TOKEN, people.username, tokens.created_at).join(
            tables.reviewer_tokens, tokens.reviewer_id == people.id
        ),
    )
    # In one query: every page of everybody asks for it.
    found = connection.execute(union_all(*(query.where(query.selected_columns[2] > since) for query in queries)))
    return tuple(sorted((Notice(News(news), *more) for news, *more in found), key=lambda told: told.at, reverse=True))


def _told(news: News, username: Any, at: Any) -> Select[Any]:
    return select(literal(news.value), username, at)
