"""Receipts of erasures: what was taken out, when and by whom, and what a search found afterwards.

A receipt names the user by a salted hash alone. It is signed with HMAC-SHA256 under a key of the
installation, which rests beside its data: so the installation itself can tell its own receipts from
others, and nobody without the key can change one.
"""

import hmac
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes, token_hex
from tempfile import NamedTemporaryFile

import msgspec

from rtcdp.admission.erased import erased_digest
from rtcdp.errors import UsageError
from rtcdp.private_files import make_private_folder, open_private_file
from rtcdp.store import Store

FOLDER = "erasures"
KEY_NAME = "receipts.key"
_KEY_BYTES = 32
_SALT_BYTES = 16


class Traced(msgspec.Struct, frozen=True):
    """A file that holds the user's id, and how often."""

    place: str
    count: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure did. `records` counts by the verdict that they had, `rows` by table;
    `erased_at` is UTC ms; `found` is what was left. `signature` is over all the rest (hex)."""

    user_digest: str
    salt: str
    erased_at: int
    by: str
    epoch: int
    records: dict[str, int]
    rows: dict[str, int]
    log_records: int
    found: tuple[Traced, ...] = ()
    notes: tuple[str, ...] = ()
    signature: str = ""

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.erased_at}-{self.user_digest[:12]}.json"

    def is_of(self, user_id: str) -> bool:
        """Whether it is about this user."""
        return erased_digest(user_id, self.salt) == self.user_digest


def salt_of(store: Store) -> str:
    """The salt that an installation hashes erased users with (hex): always the same, so that a
    batch's users are hashed once."""
    known = store.erased_users()
    return known[0].salt if known else token_hex(_SALT_BYTES)


def keep_receipt(data_dir: Path, receipt: Receipt, *, is_again: bool = False) -> Receipt:
    """Sign a receipt, and write it into the folder of the data. Returns it with its signature. One
    of a user who was erased again, out of a backup, rests beside that of the first time."""
    signed = msgspec.structs.replace(receipt, signature=_signature(receipt, make_key(data_dir)))
    path = path_of(data_dir, signed)
    descriptor = open_private_file(path.with_stem(f"{path.stem}-again") if is_again else path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(signed)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return signed


def path_of(data_dir: Path, receipt: Receipt) -> Path:
    """Where a receipt rests."""
    return data_dir / FOLDER / receipt.name


def read_receipt(path: Path) -> Receipt:
    """The receipt in a file. Raises `UsageError` when it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Receipt)
    except (OSError, msgspec.DecodeError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        raise UsageError(
            f"{path} is no receipt: {why}", f"name a file of the folder {FOLDER} of the data folder"
        ) from error


def is_genuine(data_dir: Path, receipt: Receipt) -> bool:
    """Whether this installation signed the receipt as it is. Raises `UsageError` where there is no
    key, or what is there is none."""
    path = data_dir / FOLDER / KEY_NAME
    if not path.is_file():
        raise UsageError(f"{path} is missing", "name the data folder that the receipt is of")
    return hmac.compare_digest(_signature(receipt, _key_in(path)), receipt.signature)


def _signature(receipt: Receipt, key: bytes) -> str:
    unsigned = msgspec.structs.replace(receipt, signature="")
    text = msgspec.json.encode(unsigned, order="deterministic")
    return hmac.new(key, text, sha256).hexdigest()


def make_key(data_dir: Path) -> bytes:
    """The installation's key, made where there is none. It appears as a whole, so that nobody who
    is killed leaves half of one, and two that make it at once agree."""
    make_private_folder(data_dir / FOLDER)
    path = data_dir / FOLDER / KEY_NAME
    if not path.exists():
        with NamedTemporaryFile(dir=path.parent, prefix=f".{KEY_NAME}-") as file:
            file.write(token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(file.name, path)
    return _key_in(path)


def _key_in(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise UsageError(
            f"{path} is no key: it has {len(key)} bytes instead of {_KEY_BYTES}",
            "bring it back from a copy; without one, delete it, and old receipts prove nothing",
        )
    return key
