"""Reviewers: who they are, how they sign in, and who gives them their roles. `People` has the use cases."""

from store.people.accounts import (
    DECIDING_ROLES,
    AccountClosed,
    BadName,
    NameTaken,
    Origin,
    Reviewer,
    Role,
    WeakPassword,
)
from store.people.administration import Administration, LastAdmin, Link, NotAnAdmin, UnknownAccount
from store.people.invitations import Invitation, InvitationVoid
from store.people.notices import News, Notice
from store.people.passkeys import Passkey
from store.people.people import People
from store.people.sessions import Session, SignIn
from store.people.setup_links import AlreadySetUp, SetupLinkVoid

__all__ = [
    "DECIDING_ROLES",
    "AccountClosed",
    "Administration",
    "AlreadySetUp",
    "BadName",
    "Invitation",
    "InvitationVoid",
    "LastAdmin",
    "Link",
    "NameTaken",
    "News",
    "NotAnAdmin",
    "Notice",
    "Origin",
    "Passkey",
    "People",
    "Reviewer",
    "Role",
    "Session",
    "SetupLinkVoid",
    "SignIn",
    "UnknownAccount",
    "WeakPassword",
]
