"""Every log, store and engine that there is: the scheme of its URL, what it needs, how it opens.

A log or a store joins by its folder and one line here (and an extra in pyproject.toml, if it needs
a library). Settings, doctor and commands ask this table, and know no adapter by name. It is data
alone: what it names is imported when it is opened.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtcdp.errors import UsageError
from rtcdp.runtime.deferred import deferred


@dataclass(frozen=True)
class Adapter:
    """One kind of log, store or engine.

    `package` is opened; a log's has `open_reader` and `open_writer`, a store's `open_store`. `url`
    shows what a URL of it is like. `library` has to be importable, and `extra` of this package
    brings it. What rests `in_files` has `SCHEME:PATH` for a URL, is there at once, and belongs to
    this machine. Of a store that `is_copied`, `rtcdp backup` makes copies: `rtcdp.store.StoreCopy`
    says what its package has for it. What `is_searched` has `values_with(url, texts, on_slice)`,
    which gives the values of its tables that hold any of the texts, and their tables. `undivided`
    says why nothing is counted in shards with it, if that is so.
    """

    package: str
    url: str = ""
    library: str = ""
    extra: str = ""
    in_files: bool = False
    is_copied: bool = False
    is_searched: bool = False
    undivided: str = ""

    def opener(self, name: str) -> Any:
        """One of the package's functions, imported now."""
        return deferred(f"{self.package}:{name}")

    def path_in(self, url: str) -> Path | None:
        """Where it keeps its files; None for a server."""
        return Path(url.partition(":")[2]) if self.in_files else None


LOGS: Mapping[str, Adapter] = {
    "embedded": Adapter(
        *("rtcdp.log.embedded", "embedded:DIR"),
        in_files=True,
        undivided="the embedded log has one partition, which can't be divided",
    ),
    "kafka": Adapter("rtcdp.log.kafka", "kafka://HOST:PORT/TOPIC", "confluent_kafka", "kafka"),
}

STORES: Mapping[str, Adapter] = {
    "sqlite": Adapter(
        *("rtcdp.store.sqlite", "sqlite:FILE"),
        in_files=True,
        is_copied=True,
        undivided="a file of SQLite has one writer at a time, on one machine",
    ),
    "postgresql": Adapter(
        *("rtcdp.store.postgres", "postgresql://…", "psycopg", "postgres"),
        is_copied=True,
        is_searched=True,
    ),
    "mongodb": Adapter(
        *("rtcdp.store.mongo", "mongodb://…", "pymongo", "mongo"),
        is_searched=True,
        undivided="an epoch in MongoDB is a plan that is worked off before the next one begins",
    ),
}

ENGINES: Mapping[str, Adapter] = {
    "native": Adapter("rtcdp.engines.native"),
    "spark": Adapter(
        "rtcdp.engines.spark",
        library="pyspark",
        extra="spark",
        undivided="Spark divides the work among executors of its own",
    ),
}

ALL: Mapping[str, Adapter] = {**LOGS, **STORES, **ENGINES}


def adapter_for(adapters: Mapping[str, Adapter], what: str, url: str, shown: str) -> Adapter:
    """The one whose scheme the URL has. Raises `UsageError` that names `what` was given, as
    `shown`, and what to give instead."""
    scheme, colon, rest = url.partition(":")
    if scheme not in adapters or not colon or not rest:
        *others, last = (adapter.url for adapter in adapters.values())
        raise UsageError(f"{what} is {shown!r}", f"give {', '.join(others)} or {last}")
    return adapters[scheme]
