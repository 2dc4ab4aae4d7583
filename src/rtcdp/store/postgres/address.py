"""The address of a PostgreSQL store: what of its URL is libpq's, and what is ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rtcdp.errors import UsageError

SCHEMA = "public"
READERS_SCHEMA = "analytics"
CONNECT_TIMEOUT_S = 10
_NAME_BYTES_MAX = 63

_DEFAULTS: dict[str, str] = {
    "application_name": "rtcdp",
    # A peer that vanished without a word is found out within half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
    "connect_timeout": str(CONNECT_TIMEOUT_S),
}


@dataclass(frozen=True)
class PostgresAddress:
    """Where a store is. `conninfo` is for libpq and may hold a password; `shown` is for people and
    holds none. `schema` is where the tables lie; `connect_timeout_s` how long to try."""

    conninfo: str = field(repr=False)
    shown: str
    schema: str
    connect_timeout_s: float

    @property
    def readers_schema(self) -> str:
        """The schema with the views for readers: `analytics` beside the default schema, and
        `NAME_analytics` beside any other, so that stores don't get into each other's way."""
        if self.schema == SCHEMA:
            return READERS_SCHEMA
        ending = f"_{READERS_SCHEMA}"
        # Cut by bytes, as the database counts them.
        start = self.schema.encode()[: _NAME_BYTES_MAX - len(ending)].decode(errors="ignore")
        return f"{start}{ending}"


def parse_address(url: str) -> PostgresAddress:
    """The address in `postgresql://user:password@host:port/database?schema=NAME`.

    Everything else after the question mark is an option of libpq, for example `sslmode=require`.
    Raises `UsageError`, which never repeats the URL.
    """
    place, _, query = url.partition("?")
    if "@" in query:
        raise _unreadable()
    options = [option for option in query.split("&") if option]
    schema = SCHEMA
    for option in options:
        name, _, value = option.partition("=")
        if name == "schema":
            schema = unquote(value)
        elif name not in _known_options():
            raise UsageError(
                f"{name} is no option of a PostgreSQL store",
                "use schema=NAME, or an option of libpq such as sslmode=require",
            )
    _check_schema(schema)
    others = "&".join(option for option in options if option.partition("=")[0] != "schema")
    try:
        given = conninfo_to_dict(f"{place}?{others}")
    except ProgrammingError:
        # What libpq says of it may hold the password.
        raise _unreadable() from None
    settings = {**_DEFAULTS, **given, "client_encoding": "UTF8"}
    return PostgresAddress(
        make_conninfo("", **settings), _shown(given), schema, _seconds(settings["connect_timeout"])
    )


def _unreadable() -> UsageError:
    return UsageError(
        "the store's URL can't be read",
        "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME, with %40 for an @ and"
        " %25 for a % in the password",
    )


def _known_options() -> frozenset[str]:
    return frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())


def _check_schema(schema: str) -> None:
    if (
        not 0 < len(schema.encode()) <= _NAME_BYTES_MAX
        or schema.startswith("pg_")
        or "\0" in schema
    ):
        raise UsageError(
            f"{schema!r} can't be the name of a schema",
            f"use 1 to {_NAME_BYTES_MAX} letters that don't begin with pg_",
        )


def _shown(given: Mapping[str, object]) -> str:
    host = given.get("host") or given.get("hostaddr") or "this machine"
    port = f":{given['port']}" if "port" in given else ""
    return f"PostgreSQL at {host}{port}/{given.get('dbname', '')}"


def _seconds(text: object) -> float:
    """As libpq has it: zero and less mean no limit, which here is the default."""
    try:
        seconds = int(str(text))
    except ValueError:
        raise UsageError(
            f"connect_timeout={text} is no number of seconds", "write for example 10"
        ) from None
    return float(seconds if seconds > 0 else CONNECT_TIMEOUT_S)
