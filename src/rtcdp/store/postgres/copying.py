"""A copy of the store in a file of PostgreSQL's own programs, made while others write, and how it
takes its place again.

What `pg_dump` writes is of one snapshot that is exported to it, so that what is told of the copy is
of the same moment. Passwords go by the environment: other users see a command's line.
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from shutil import which

import polars as pl
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from rtcdp.errors import PartMissing, UsageError
from rtcdp.private_files import open_private_file
from rtcdp.store.contract import StoreCopy, StoreUnavailable
from rtcdp.store.postgres.address import SCHEMA, PostgresAddress, parse_address
from rtcdp.store.postgres.connection import ANSWER_TIMEOUT_S
from rtcdp.store.postgres.schema import PostgresReader, open_writer, version_of
from rtcdp.store.sql.erasures import read_erased_users
from rtcdp.store.sql.snapshot import SqlSnapshot
from rtcdp.store.sql.statements import one_row

COPY_NAME = "store.dump"

_SNAPSHOT = pl.Schema({"id": pl.String()})
_COUNT = pl.Schema({"count": pl.Int64()})
_TABLES = "SELECT count(*) AS count FROM pg_tables WHERE schemaname IN ($1, $2)"
_TABLES_IN = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
_DROP_SCHEMA = SQL("DROP SCHEMA IF EXISTS {} CASCADE")
_DROP_TABLE = SQL("DROP TABLE IF EXISTS {} CASCADE")
_LOCK_TIMEOUT_S = 30
_WORDS_MAX = 500


def copy_store(url: str, target: Path) -> StoreCopy:
    """See `rtcdp.store.contract.StoreCopy`. Needs `pg_dump` of the server's version or a newer one.

    Raises `PartMissing` without it, and `StoreUnavailable` with its words when it fails.
    """
    address = parse_address(url)
    with closing(PostgresReader(address, answer_timeout_s=ANSWER_TIMEOUT_S)) as reader:
        if reader.begin() == 0:
            raise PartMissing(f"there is no store in {address.shown}", "name it with --store")
        snapshot = SqlSnapshot(reader)
        copied = StoreCopy(snapshot.progress, tuple(read_erased_users(reader, only_pending=False)))
        name = reader.query("SELECT pg_export_snapshot() AS id", _SNAPSHOT).item()
        os.close(open_private_file(target))
        schemas = (f"--schema={_quoted(each)}" for each in _schemas(address))
        how = ("--format=custom", "--no-owner", "--no-acl", f"--snapshot={name}")
        _run(address, ["pg_dump", *how, *schemas, f"--file={target}"])
        reader.commit()
    return copied


def holds_a_store(url: str) -> bool:
    """Whether there are tables in the store's schemas already, whoever's they are."""
    address = parse_address(url)
    with closing(PostgresReader(address, answer_timeout_s=ANSWER_TIMEOUT_S)) as reader:
        return bool(reader.query(_TABLES, _COUNT, one_row(*_schemas(address))).item())


def bring_back_store(url: str, source: Path) -> None:
    """Make a store of a copy, in schemas without tables and of the same names, in one transaction.
    Needs `pg_restore`.

    Raises `UsageError` for the copy of a store in another schema, `PartMissing` without the
    program, and `StoreUnavailable` with its words when it fails.
    """
    address = parse_address(url)
    listed = _run(address, ["pg_restore", "--list", str(source)], connects=False)
    # Otherwise it would lie where nobody looks for it, beside a store that is empty.
    if f" TABLE {address.schema} _about " not in listed:
        raise UsageError(
            f"the copy is of a store in another schema than {address.schema}",
            "give --store the same ?schema=NAME as when it was made, or none if there was none",
        )
    entries = source.with_name(f"{source.name}.list")
    # A database begins with this schema, and a dump that was asked for it would make it.
    wanted = [line for line in listed.splitlines() if f" SCHEMA - {SCHEMA} " not in f"{line} "]
    with os.fdopen(open_private_file(entries), "w", encoding="utf-8") as file:
        file.write("\n".join(wanted) + "\n")
    try:
        how = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-acl")
        _run(address, ["pg_restore", *how, f"--use-list={entries}", str(source)])
    finally:
        entries.unlink()
    try:
        with closing(open_writer(address)) as writer:
            version_of(writer)
    except BaseException:
        take_away_store(url)
        raise


def take_away_store(url: str) -> None:
    """Take away what `bring_back_store` has made: it found no tables, and none of its schemas but
    that which every database begins with. Raises `StoreUnavailable`."""
    address = parse_address(url)
    own = [each for each in _schemas(address) if each != SCHEMA]
    try:
        with psycopg.connect(address.conninfo) as connection:
            connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_S}s'")
            for schema in own:
                connection.execute(_DROP_SCHEMA.format(Identifier(schema)))
            if address.schema == SCHEMA:
                tables = connection.execute(_TABLES_IN, [SCHEMA]).fetchall()
                for (table,) in tables:
                    connection.execute(_DROP_TABLE.format(Identifier(SCHEMA, table)))
    except psycopg.Error as error:
        raise StoreUnavailable(
            f"what was brought back into {address.shown} could not be taken away: {error}",
            "it may hold users who were erased: drop the tables of the schemas "
            + " and ".join(_schemas(address)),
        ) from error


def _schemas(address: PostgresAddress) -> tuple[str, str]:
    return address.schema, address.readers_schema


def _quoted(schema: str) -> str:
    """As a pattern of `pg_dump`'s that means this name alone."""
    return '"' + schema.replace('"', '""') + '"'


def _run(address: PostgresAddress, command: Sequence[str], *, connects: bool = True) -> str:
    """Run one of the programs; what it wrote to standard output."""
    program = which(command[0])
    if program is None:
        raise PartMissing(
            f"there is no {command[0]} on the path",
            "install PostgreSQL's client programs (postgresql-client), as new as the server",
        )
    settings = conninfo_to_dict(address.conninfo)
    password = settings.pop("password", None)
    environment = dict(os.environ)
    if isinstance(password, str):
        environment["PGPASSWORD"] = password
    words = [program, *command[1:]]
    if connects:
        words.insert(1, f"--dbname={make_conninfo('', **settings)}")
    done = subprocess.run(  # noqa: S603 - a program by its path, without a shell
        words, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:_WORDS_MAX]
        raise StoreUnavailable(
            f"{command[0]} failed at {address.shown}: {said}",
            "see to it that this user may read and make the store's schemas, and that the program"
            " is as new as the server",
        )
    return done.stdout
