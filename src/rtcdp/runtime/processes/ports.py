"""Is a TCP port free, which one is, and who has it?"""

import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException

import msgspec

from rtcdp.errors import PartMissing

_PATIENCE_S = 0.5
_ALIVE = {"status": "ok", "parts": {}}
_ANSWER_BYTES_MAX = 1_000


def claim_port(host: str, port: int) -> int:
    """The port to listen on: `port` if it is free, or any free one for 0.

    Raises `PartMissing` when the port is taken or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise PartMissing(
                f"port {port} on {host} can't be listened on: {error.strerror}",
                "stop the program that listens there, or take another one with --port",
            ) from error
        return int(trial.getsockname()[1])


def is_listening(host: str, port: int) -> bool:
    """Does someone take connections there?"""
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE_S):
            return True
    except OSError:
        return False


def is_rtcdp(host: str, port: int) -> bool:
    """Does an API of rtcdp answer there? One that speaks https alone is not known."""
    with closing(HTTPConnection(host, port, timeout=_PATIENCE_S)) as connection:
        try:
            connection.request("GET", "/health/live")
            found = connection.getresponse().read(_ANSWER_BYTES_MAX)
            return bool(msgspec.json.decode(found) == _ALIVE)
        except (OSError, HTTPException, msgspec.DecodeError):
            return False
