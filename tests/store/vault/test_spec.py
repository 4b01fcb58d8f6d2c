"""Every value in SPEC.md's examples is made anew from what the text says, without our code, and then with it."""

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from store.vault.keys import Key, line_of, open_key_file
from store.vault.passphrase import Costs, derive, parse
from store.vault.sealing import Binding, Sealed, seal, secret_context, unseal, wrap_context
from tests.repository import ROOT
from tests.secrecy.forms import base64_after, forms

SPEC = (ROOT / "store" / "vault" / "SPEC.md").read_text("utf-8")
EXAMPLES = {
    name: dict(re.split(r"  +|(?<=^.{15}) ", line, maxsplit=1) for line in lines.splitlines())
    for name, lines in re.findall(r"^```example ([a-z ]+)\n(.*?)^```$", SPEC, re.MULTILINE | re.DOTALL)
}
SEALED, KEY_FILE, PASSPHRASE = EXAMPLES["sealed"], EXAMPLES["key file"], EXAMPLES["passphrase"]
GRANT, ROTATION, SCRUBBING = EXAMPLES["grant"], EXAMPLES["rotation"], EXAMPLES["scrubbing"]
BINDING = Binding(SEALED["origin"], SEALED["handle"], int(SEALED["version"]), SEALED["owner"])


def jcs(**members: Any) -> str:
    """Canonical JSON, for what stands in these examples: sorting ASCII keys is all that RFC 8785 asks for here."""
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def box(key: str, nonce: str, plain: bytes, context: str) -> str:
    sealed = AESGCM(bytes.fromhex(key)).encrypt(bytes.fromhex(nonce), plain, context.encode())
    return "01" + nonce + sealed.hex()


def kid(key: str) -> str:
    return hashlib.sha256(b"assent/vault/kid/v1\0" + bytes.fromhex(key)).hexdigest()[:16]


def expanded(root: str, label: str, length: int) -> bytes:
    return HKDFExpand(SHA256(), length, label.encode()).derive(bytes.fromhex(root))


def of_wrap(example: dict[str, str], named: str) -> str:
    return jcs(
        context="assent/vault/wrap/v1",
        id=example["handle"],
        kid=named,
        origin=example["origin"],
        version=int(example["version"]),
    )


def test_every_example_is_checked_here() -> None:
    assert EXAMPLES.keys() == {"sealed", "key file", "passphrase", "grant", "rotation", "scrubbing"}


def test_the_sealed_secret_is_what_the_text_says() -> None:
    context = jcs(
        context="assent/vault/secret/v1",
        id=SEALED["handle"],
        origin=SEALED["origin"],
        owner=SEALED["owner"],
        targets=json.loads(SEALED["targets"]),
        version=int(SEALED["version"]),
    )
    sealed = box(SEALED["own key"], SEALED["nonce of secret"], SEALED["secret"].encode(), context)
    wrapping = of_wrap(SEALED, kid(SEALED["kek"]))
    made = SEALED | {
        "kid": kid(SEALED["kek"]),
        "secret context": context,
        "wrap context": wrapping,
        "sealed": sealed,
        "wrapped key": box(SEALED["kek"], SEALED["nonce of wrap"], bytes.fromhex(SEALED["own key"]), wrapping),
        "sealed sha256": hashlib.sha256(bytes.fromhex(sealed)).hexdigest(),
    }

    assert made == SEALED


def test_our_code_seals_the_example_to_the_same_bytes() -> None:
    key = Key(bytes.fromhex(SEALED["kek"]))
    drawn = iter([SEALED["own key"], SEALED["nonce of wrap"], SEALED["nonce of secret"]])
    sealed = seal(SEALED["secret"], BINDING, key, lambda length: bytes.fromhex(next(drawn)))

    assert sealed == Sealed(SEALED["kid"], bytes.fromhex(SEALED["wrapped key"]), bytes.fromhex(SEALED["sealed"]))
    assert sealed.ciphertext_sha256 == SEALED["sealed sha256"]
    assert secret_context(BINDING).decode() == SEALED["secret context"]
    assert wrap_context(BINDING, key.kid).decode() == SEALED["wrap context"]
    assert unseal(sealed, BINDING, key) == SEALED["secret"]


def test_the_key_file_is_what_the_text_says_and_opens(tmp_path: Path) -> None:
    line = "assent-vault-key-1 " + base64.b64encode(bytes.fromhex(KEY_FILE["kek"])).decode()
    path = tmp_path / "vault.key"
    path.write_text(KEY_FILE["line"] + "\n")
    path.chmod(0o600)

    assert line == KEY_FILE["line"]
    assert open_key_file(path, make=False).key == Key(bytes.fromhex(KEY_FILE["kek"]))
    assert line_of(Key(bytes.fromhex(KEY_FILE["kek"]))) == line + "\n"


def test_the_passphrase_s_key_and_record_are_what_the_text_says() -> None:
    salt = bytes.fromhex(PASSPHRASE["salt"])
    root = hash_secret_raw(PASSPHRASE["passphrase"].encode(), salt, 1, 19456, 1, 32, Type.ID, 0x13).hex()
    check = expanded(root, "assent/vault/passphrase-check/v1", 16)
    texts = " ".join(base64.b64encode(part).decode() for part in (salt, check))
    made = PASSPHRASE | {
        "costs": "m=19456,t=1,p=1",
        "root": root,
        "kek": expanded(root, "assent/vault/passphrase-key/v1", 32).hex(),
        "check": check.hex(),
        "line": f"assent-vault-passphrase-1 argon2id m=19456,t=1,p=1 {texts}",
    }

    assert made == PASSPHRASE


def test_our_code_makes_the_same_key_of_the_passphrase_and_reads_the_same_record() -> None:
    record = parse(f"{PASSPHRASE['line']}\n".encode(), Path("vault.passphrase"))

    assert record.costs == Costs(memory=19456, passes=1, lanes=1)
    assert record.line == PASSPHRASE["line"] + "\n"
    assert derive(PASSPHRASE["passphrase"], record.salt, record.costs) == (
        Key(bytes.fromhex(PASSPHRASE["kek"])),
        record.check,
    )


def test_the_grant_is_what_the_text_says() -> None:
    grant = jcs(
        context="assent/vault/grant/v1",
        credential=GRANT["handle"],
        expires_at=GRANT["expires at"],
        id=GRANT["grant"],
        origin=GRANT["origin"],
        owner=GRANT["owner"],
        target=GRANT["target"],
        uses_left=int(GRANT["uses left"]),
        version=int(GRANT["version"]),
    )
    key = expanded(GRANT["kek"], "assent/vault/grant-key/v1", 32)

    assert GRANT["bytes"] == grant
    assert GRANT["mac"] == hmac.new(key, grant.encode(), hashlib.sha256).hexdigest()


def test_the_rotation_wraps_the_same_own_key_and_leaves_the_secret_as_it_is() -> None:
    new = kid(ROTATION["new kek"])
    own = bytes.fromhex(SEALED["own key"])

    assert ROTATION["kid"] == new
    assert ROTATION["wrap context"] == of_wrap(SEALED, new)
    assert ROTATION["wrapped key"] == box(ROTATION["new kek"], ROTATION["nonce of wrap"], own, of_wrap(SEALED, new))
    rotated = Sealed(new, bytes.fromhex(ROTATION["wrapped key"]), bytes.fromhex(SEALED["sealed"]))
    assert unseal(rotated, BINDING, Key(bytes.fromhex(ROTATION["new kek"]))) == SEALED["secret"]


def test_the_forms_to_scrub_are_what_the_text_says() -> None:
    secret = SCRUBBING["secret"]
    value = secret.encode()

    assert {
        "secret": secret,
        "url": quote(secret, safe=""),
        **{f"base64 after {shift}": base64_after(shift, value).decode() for shift in range(3)},
        "basic for ana": base64.b64encode(b"ana:" + value).decode(),
        "hex": value.hex(),
        "json": json.dumps(secret, ensure_ascii=False)[1:-1],
        "json in ascii": json.dumps(secret)[1:-1],
    } == SCRUBBING


@pytest.mark.parametrize("name", ["url", "basic for ana", "hex", "json", "json in ascii"])
def test_the_secrecy_test_finds_every_form_of_the_example(name: str) -> None:
    content = SCRUBBING[name].encode()

    assert [form for form, value in forms(SCRUBBING["secret"]).items() if value in content] != []
