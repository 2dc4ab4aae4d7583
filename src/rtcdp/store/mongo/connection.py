"""A database on a MongoDB server: how it is reached, how sure a write must be, what errors mean.

Writes wait until they are in the server's journal and, in a replica set, on most of its members,
unless the URL says otherwise. Nothing waits for ever: every attempt has a timeout, which the URL
may set as well.
"""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri

from rtcdp.errors import RtcdpError, UsageError
from rtcdp.store.contract import StoreForbidden, StoreUnavailable

Document = dict[str, Any]

DUPLICATE_KEY = 11000

DEFAULTS: Document = {
    "w": "majority",
    "journal": True,
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 30_000,
    "appName": "rtcdp",
}
"""What holds where the URL says nothing."""

TASKS_AT_ONCE = 4

_WHO_MAY = frozenset({8000, 13, 18})
"""The server's codes for a wrong password, and for a user without the right."""
_DRIVERS_OWN = re.compile(r" \(configured timeouts: [^)]*\)|, Timeout: .*", re.DOTALL)
_MESSAGE_MAX = 200
_NOT_OURS = frozenset({"admin", "config", "local"})


class MongoDatabase:
    """The database that a URL names, connected when it is first used. Safe to use from several
    threads.

    Raises `UsageError` for a URL that is not one, or names no database.
    """

    def __init__(self, url: str) -> None:
        self._options, self._name, self._secrets = _parsed(url)
        self._url = url
        self._lock = threading.Lock()
        self._client: MongoClient[Document] | None = None
        self._is_closed = False

    def collection(self, name: str) -> Collection[Document]:
        """A collection; dates come as `DatetimeMS`, for Python's own end at the year 9999."""
        return self._database.get_collection(name)

    def collection_names(self) -> list[str]:
        """The collections that are there, the server's own left out."""
        found = self._database.list_collection_names(filter={"type": "collection"})
        return sorted(name for name in found if not name.startswith("system."))

    @cached_property
    def is_simple_server(self) -> bool:
        """Whether the server is one of those that speak MongoDB's protocol and little else. Such a
        one finds documents by an index only when a filter has exactly the index's fields."""
        return "storageEngines" not in self._database.command("buildInfo")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Give errors of the driver their names in the store's contract."""
        try:
            yield
        except PyMongoError as error:
            raise self._named(error) from error

    def run_together(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Do all of them, several at a time: while the server works on one, the next is made ready.

        When some fail, the others are done all the same, and the first failure is raised.
        """
        if len(tasks) == 1:
            tasks[0]()
            return
        with ThreadPoolExecutor(TASKS_AT_ONCE, "mongo") as pool:
            futures = [pool.submit(task) for task in tasks]
        for future in futures:
            future.result()

    def close(self) -> None:
        """Close all connections. What is called later raises `StoreUnavailable`."""
        with self._lock:
            client, self._client = self._client, None
            self._is_closed = True
        if client is not None:
            client.close()

    @property
    def _database(self) -> Database[Document]:
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("the store was closed", "open it again")
            if self._client is None:
                self._client = MongoClient(self._url, **self._options)
            client = self._client
        dates = CodecOptions[Document](datetime_conversion=DatetimeConversion.DATETIME_MS)
        # Members of a replica set that follow behind would mix the outcomes of several epochs.
        primary = ReadPreference.PRIMARY
        return client.get_database(self._name, codec_options=dates, read_preference=primary)

    def _named(self, error: PyMongoError) -> RtcdpError:
        words = self._without_secrets(_DRIVERS_OWN.sub("", str(error)))
        if isinstance(error, ConnectionFailure | InvalidOperation):
            return StoreUnavailable(
                f"the MongoDB server can't be reached: {words}",
                "check that it runs and that the store's URL names its host and port",
            )
        if isinstance(error, OperationFailure) and error.code in _WHO_MAY:
            return StoreForbidden(
                f"the MongoDB server refuses the user: {words}",
                "check user, password, authSource and roles in the store's URL",
            )
        if isinstance(error, OperationFailure):
            words = _kind_of(error)
        return StoreUnavailable(
            f"the MongoDB server failed: {words}", "report this message if it stays"
        )

    def _without_secrets(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return words[:_MESSAGE_MAX]


def only_duplicates(error: BulkWriteError) -> int:
    """How many inserts failed because the document was there already. Raises the error itself when
    anything else failed."""
    failures = error.details.get("writeErrors", [])
    others = [failure for failure in failures if failure.get("code") != DUPLICATE_KEY]
    if others or error.details.get("writeConcernErrors"):
        raise error
    return len(failures)


def _kind_of(error: OperationFailure) -> str:
    """What kind of failure it is; its words hold users' data: `dup key: { … }`."""
    details = error.details or {}
    failures = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ()), details]
    found = next((each for each in failures if "code" in each), {"code": error.code})
    return f"{found.get('codeName', type(error).__name__)}, code {found['code']}"


def _parsed(url: str) -> tuple[Document, str, tuple[str, ...]]:
    """The client's options besides the URL, the database's name, and what must never be shown."""
    try:
        parsed = parse_uri(url, validate=True)
    except (ConfigurationError, ValueError) as error:
        # What is wrong may be the password, so the error's own words are left out.
        raise UsageError(
            "the store's URL is not one of MongoDB"
            + (f": {error}" if "@" not in url else ", or a part of it is not escaped"),
            "write mongodb://HOST:27017/DATABASE, with USER:PASSWORD@ before the host if needed",
        ) from None
    name = parsed["database"]
    if not name or name in _NOT_OURS:
        raise UsageError(
            f"the store's URL names {'the database ' + name if name else 'no database'}",
            "name one of its own for the store: mongodb://HOST:27017/DATABASE",
        )
    given = {option.lower() for option in parsed["options"]}
    if parsed["options"].get("w") == 0:
        raise UsageError(
            "the store's URL asks for writes that nobody confirms (w=0)",
            "leave w out, or use w=1 or w=majority",
        )
    password = parsed["password"]
    shown_as = url.rpartition("@")[0].rpartition(":")[2]
    secrets = tuple(secret for secret in (password, shown_as) if password and secret)
    return {k: v for k, v in DEFAULTS.items() if k.lower() not in given}, name, secrets
