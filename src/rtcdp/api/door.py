"""Who may knock: which names a server answers to, and which web pages may speak to it.

A browser carries out what any page asks for, also on addresses that only this machine reaches. Two
headers that a page can't forge tell such requests apart: `Host` names whom the browser believes to
speak with (a name that was bent to this address names itself there), `Origin` and `Sec-Fetch-Site`
say whose page it is. Programs that are no browser send neither of the latter and are let in.

https://datatracker.ietf.org/doc/html/rfc6761#section-6.3 (localhost)
https://fetch.spec.whatwg.org/#origin-header · https://www.w3.org/TR/fetch-metadata/
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from rtcdp.errors import UsageError

Concern = Literal["no_host", "unknown_host", "foreign_page"]

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::([0-9]{1,5}))?")
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_OUR_OWN = frozenset({"same-origin", "none"})
"""Of `Sec-Fetch-Site`: a page of this server, or the person at the browser."""


@dataclass(frozen=True)
class Caller:
    """The headers of one request that say who speaks, in lower case; None for one that is absent.

    A header that came twice has both values with a comma between them, which is no valid one.
    """

    method: str
    host: str | None
    origin: str | None = None
    fetch_site: str | None = None
    fetch_mode: str | None = None
    fetch_destination: str | None = None


@dataclass(frozen=True)
class Door:
    """`hosts` are names that the server answers to besides those of this machine's loopback;
    `origins` are web origins whose pages may read and write, like `https://shop.example`.

    With `is_open_to_network` it answers to every IP address and to names without a dot as well:
    neither can be the name of a stranger's page that was bent to this address.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    is_open_to_network: bool = False

    def concern(self, caller: Caller) -> Concern | None:
        """Why the caller is not let in; None if it is."""
        if not caller.host or "," in caller.host:
            return "no_host"
        if not self.answers_to(caller.host):
            return "unknown_host"
        return None if self._is_welcome(caller) else "foreign_page"

    def answers_to(self, host: str) -> bool:
        """Whether a `Host` header names this server. Its port is not looked at: a proxy or a
        container may have changed it, and names are what is bent."""
        found = _AUTHORITY.fullmatch(host)
        if found is None:
            return False
        name = found.group(1)
        return (
            name == "localhost"
            or name.endswith(".localhost")
            or name in self.hosts
            or self._answers_to_address(name)
        )

    def _answers_to_address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return self.is_open_to_network and "." not in name
        return address.is_loopback or self.is_open_to_network

    def _is_welcome(self, caller: Caller) -> bool:
        if caller.fetch_site in _OUR_OWN:
            return True
        if caller.origin is not None:
            return caller.origin in self.origins or _is_same(caller.origin, caller.host or "")
        return caller.fetch_site is None or _is_followed_link(caller)


def hosts_of(text: str) -> frozenset[str]:
    """Names from a setting, with commas between them. Raises `UsageError`."""
    return frozenset(map(_host, _listed(text)))


def origins_of(text: str) -> frozenset[str]:
    """Web origins from a setting, with commas between them. Raises `UsageError`."""
    return frozenset(map(_origin, _listed(text)))


def _is_same(origin: str, host: str) -> bool:
    """Whether a page of `origin` came from `host`, over TLS or not: a proxy may have ended it."""
    scheme, _, authority = origin.partition("://")
    default = _DEFAULT_PORTS.get(scheme)
    return default is not None and _with_port(authority, default) == _with_port(host, default)


def _with_port(authority: str, default: str) -> str:
    found = _AUTHORITY.fullmatch(authority)
    return f"{found.group(1)}:{found.group(2) or default}" if found else ""


def _is_followed_link(caller: Caller) -> bool:
    """Whether somebody follows a link of another page to one of ours, which shows him our page and
    tells the other one nothing."""
    return (
        caller.method in ("GET", "HEAD")
        and caller.fetch_mode == "navigate"
        and caller.fetch_destination == "document"
    )


def _listed(text: str) -> Iterable[str]:
    return filter(None, (part.strip().lower() for part in text.split(",")))


def _host(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise UsageError(
            f"allowed_hosts names {text!r}, which is no host name",
            "write names without scheme and port, with commas: events.example.com,rtcdp.lan",
        )
    return text


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in _DEFAULT_PORTS
        or text != f"{parts.scheme}://{parts.netloc}"
        or (_AUTHORITY.fullmatch(parts.netloc) is None)
    ):
        raise UsageError(
            f"allowed_origins names {text!r}, which is no web origin",
            "write scheme, name and, if it is another one, port: https://shop.example",
        )
    # As browsers write it: without the port of the scheme.
    is_default = port is not None and str(port) == _DEFAULT_PORTS[parts.scheme]
    return text.rpartition(":")[0] if is_default else text
