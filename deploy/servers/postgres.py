"""One PostgreSQL server from this system's own binaries."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deploy.servers.jars import needed_module
from deploy.servers.server_process import (
    ServerCommand,
    ServerFailed,
    ServerProcess,
    accepts_connections,
    free_port,
)
from rtcdp.errors import PartMissing

if TYPE_CHECKING:
    import psycopg

DATABASE = "rtcdp"

_PACKAGED = Path("/usr/lib/postgresql")
_SYSTEM_USER = "postgres"


class PostgresServer:
    """A server on 127.0.0.1 that asks for no password, with its data in `directory`.

    PostgreSQL refuses to run as root: root runs it as the system's user `postgres`. Its text is
    sorted as in English, not by code points, as it is on most servers elsewhere.
    """

    def __init__(self, directory: Path, port: int = 0) -> None:
        """Raises `ServerFailed` when the port is taken, or `directory` can't be entered by the
        server's user; `PartMissing` without PostgreSQL."""
        self._directory = directory.absolute()
        self._directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port(port)
        self._data = self._directory / "data"
        self._binaries = _binaries()
        self._user = _SYSTEM_USER if os.geteuid() == 0 else None
        self._process = ServerProcess(
            ServerCommand(
                name="PostgreSQL",
                command=(
                    str(self._binaries / "postgres"),
                    *("-D", str(self._data), "-p", str(self.port)),
                    *("-c", "listen_addresses=127.0.0.1"),
                    *("-c", "unix_socket_directories="),
                ),
                directory=self._directory,
                log=self._directory / "postgresql.log",
                user=self._user,
                stop_signal=signal.SIGINT,  # its fast way: it does not wait for its clients
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def url(self, database: str = DATABASE) -> str:
        """The URL of a database, which is made when it is not there. Needs a running server."""
        with self._connected() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
            if known.fetchone() is None:
                connection.execute(_statement("CREATE DATABASE {}", database))
        return self._url(database)

    def drop_database(self, database: str) -> None:
        """Delete a database with all that is in it; whoever is connected to it is sent away."""
        with self._connected() as connection:
            connection.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", database))

    def start(self) -> None:
        """Start it, on the same port and data as before; returns when it takes connections.

        Raises `ServerFailed`, and `PartMissing` when there is no user to run it as.
        """
        if not (self._data / "PG_VERSION").exists():
            self._make_data()
        self._process.start(self._answers)

    def check(self) -> None:
        """Raises `ServerFailed`, with its last lines, when it has ended."""
        self._process.check()

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        """Kill it and all processes of its connections with SIGKILL. What it committed is there
        after the next `start`."""
        self._process.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open, and nothing is answered until `resume`."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def _make_data(self) -> None:
        if self._user is not None:
            _let_in(self._user, self._directory)
            self._data.mkdir(exist_ok=True)
            shutil.chown(self._data, self._user)
        made = (
            *self._as_user(),
            str(self._binaries / "initdb"),
            *("-D", str(self._data), "--username=postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US"),
        )
        done = subprocess.run(
            made, cwd=self._directory, check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise ServerFailed(
                f"PostgreSQL's data folder can't be made:\n{done.stdout}{done.stderr}",
                f"see whether {self._data} can be written to, and holds nothing else",
            )

    def _as_user(self) -> tuple[str, ...]:
        """What a command is put behind that the server's user runs. If Python changed users itself,
        it would have to copy this process first, and there may be no room for two of it."""
        if self._user is None:
            return ()
        group = pwd.getpwnam(self._user).pw_gid
        return ("setpriv", f"--reuid={self._user}", f"--regid={group}", "--clear-groups", "--")

    def _answers(self) -> bool:
        if not accepts_connections(self.port):
            return False
        try:
            with self._connected():
                return True
        except needed_module("psycopg").OperationalError:
            return False

    def _connected(self) -> "psycopg.Connection[Any]":
        connection: psycopg.Connection[Any] = needed_module("psycopg").connect(
            self._url("postgres"), autocommit=True, connect_timeout=10
        )
        return connection

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{quote(database, safe='')}"


@contextmanager
def postgresql(directory: Path, port: int = 0) -> Iterator[PostgresServer]:
    """A running server with its data in `directory`, on a free port unless one is named.

    Raises `ServerFailed`, and `PartMissing` when its binaries or the extra `postgres` are absent.
    """
    server = PostgresServer(directory, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _statement(text: str, database: str) -> "psycopg.sql.Composed":
    sql = needed_module("psycopg.sql")
    composed: psycopg.sql.Composed = sql.SQL(text).format(sql.Identifier(database))
    return composed


def _binaries() -> Path:
    """The folder of `initdb` and `postgres`. Debian keeps it off the PATH, one for each version."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    packaged = [path.parent for path in _PACKAGED.glob("*/bin/initdb")]
    if not packaged:
        raise PartMissing(
            "PostgreSQL's programs initdb and postgres are needed and are not there",
            "install them (Debian, Ubuntu: apt install postgresql)",
        )
    return max(packaged, key=lambda folder: int(folder.parent.name))


def _let_in(user: str, directory: Path) -> None:
    """See to it that the user can enter the folder.

    Temporary folders of ours are opened for it. Raises `ServerFailed` for others, which are not for
    us to open, and `PartMissing` when there is no such user.
    """
    try:
        pwd.getpwnam(user)
    except KeyError as error:
        raise PartMissing(
            f"PostgreSQL does not run as root, and there is no user {user}",
            "run this as another user, or apt install postgresql, which makes that one",
        ) from error
    temporary = Path(tempfile.gettempdir()).resolve()
    for folder in (directory.resolve(), *directory.resolve().parents):
        mode = folder.stat().st_mode
        if mode & 0o001:
            continue
        if temporary not in folder.parents:
            raise ServerFailed(
                f"the user {user}, as whom PostgreSQL runs, can't enter {folder}",
                f"choose a folder elsewhere, or let others enter it: chmod o+x {folder}",
            )
        folder.chmod(mode | 0o001)
