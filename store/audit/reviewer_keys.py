"""Public keys of people that were got another way than from the log itself: `verify --reviewer-keys`. Pure.

A log's own key signs whatever its holder writes, a registration of a passkey included. Whoever kept a person's public
key elsewhere can tell that person's decisions from those that were only put into their mouth.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from store.names import fold
from store.problems import Problem
from store.signing.public_key import PublicKeyProblem, load_public_key
from store.strict_json import NotStrictJson, read_strict_json

_HINT = (
    'Write {"ana": ["BASE64", …], …}: user names or passkey ids, each with public keys, as '
    "`assent audit reviewer-keys` prints them."
)


_PASSKEY = "pk_"
"""How the ids of passkeys begin."""


@dataclass(frozen=True)
class ReviewerKeys:
    """Trusted public keys, in COSE form, by folded user name or by passkey id."""

    keys: Mapping[str, frozenset[bytes]]

    def of(self, passkey: str, username: str | None) -> frozenset[bytes] | None:
        """The keys that a signature of this passkey of this person may be made with; None where none were given.

        `username` is folded. Where both have keys, those of both: a log can call a passkey by whatever name it likes,
        and must not get at another person's keys by it.
        """
        names = [username, passkey if passkey.startswith(_PASSKEY) else None]
        given = [self.keys[name] for name in names if name is not None and name in self.keys]
        return frozenset.intersection(*given) if given else None


def load_reviewer_keys(data: bytes) -> ReviewerKeys:
    """The keys of a JSON file.

    Raises:
        Problem: it is not such a file.
    """
    try:
        members = read_strict_json(data)
    except NotStrictJson as problem:
        raise Problem(f"the file of reviewers' keys is not JSON: {problem}", _HINT) from None
    if not isinstance(members, dict) or not members:
        raise Problem("the file of reviewers' keys names nobody", _HINT)
    keys = {fold(name): _keys(name, given) for name, given in members.items()}
    if len(keys) < len(members):
        raise Problem("the file of reviewers' keys names somebody twice", _HINT)
    return ReviewerKeys(keys)


def _keys(name: str, given: object) -> frozenset[bytes]:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):
        raise Problem(f"the key of {name!r} is not text, or a list of texts", _HINT)
    return frozenset(_key(name, one) for one in listed)


def _key(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
        load_public_key(key)
    except (binascii.Error, ValueError, PublicKeyProblem):
        raise Problem(f"the key of {name!r} is not a passkey's public key in base64", _HINT) from None
    return key
