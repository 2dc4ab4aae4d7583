"""Is a TCP port free, and which one is?"""

import socket

from rtcdp.errors import PartMissing


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
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False
