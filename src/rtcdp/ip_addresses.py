"""IP addresses without the part that tells one household from the next.

Of an IPv4 address the first 24 bits stay, of an IPv6 address 48: that says which network it was,
and not who.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from rtcdp.errors import UsageError
from rtcdp.kept_by_type import kept_by_type

_KEPT_BITS = {4: 24, 6: 48}
_WORD = re.compile(r"[\w.:%\[\]-]+", re.ASCII)
_WITH_MORE = re.compile(
    r"(?P<before>\[?)(?P<address>[0-9.]+?|(?<=\[)[^\]]+)(?P<after>\]?(?::[0-9]*)?\.?)"
)
_IPV4 = re.compile(r"([0-9]{1,3}\.)([0-9]{1,3}\.)([0-9]{1,3}\.)([0-9]{1,3})")
_OCTET_MAX, _LOOPBACK = 255, 127
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_TEXTS = re.compile(_TEXT)
_SCALAR = rb"(?:" + _TEXT + rb'|[^"\[\]{},\s]+)'
_ARRAY = rb"\[\s*" + _SCALAR + rb"(?:\s*,\s*" + _SCALAR + rb")*\s*\]"
_NAME = re.compile(r"[A-Za-z0-9_.$-]{1,100}")


@dataclass(frozen=True)
class PrivacyRules:
    """In which members of events, by name, whatever they lie in, addresses are `shortened` before
    they are kept; names with commas in between. And for how many days events of a type are kept.
    Raises `UsageError` for what is no such name, or no number of days."""

    shortened_addresses: str = ""
    kept_days: str = ""

    def __post_init__(self) -> None:
        _ = self.kept_ms
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise UsageError(
                    f"privacy.shortened_addresses names {name!r}",
                    "give names of members of events, with commas in between: ip,userId",
                )

    @property
    def kept_ms(self) -> Mapping[str, int]:
        """For how long (ms) events are kept, by type."""
        return kept_by_type("privacy.kept_days", self.kept_days)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.shortened_addresses.split(",") if name.strip())


MEANINGS: dict[str, str] = {
    "privacy.shortened_addresses": "Members of events whose IP addresses lose their last part "
    "before they are kept, with commas: ip,userId.",
    "privacy.kept_days": "For how many days events are kept, by type: PAGE_VIEW=30, SEARCH=90.",
}
"""What each of them means, as settings."""


def shortened(text: str) -> str:
    """An address without its last part; what is none, or is this machine's own, stays as it is. Of
    several in one text, as proxies write them, each is shortened; what stands around them, like
    ports, brackets, quotes and the length of a network, stays."""
    return _WORD.sub(lambda found: _shortened(found[0]), text)


def _shortened(word: str) -> str:
    written = _WITH_MORE.fullmatch(word)
    before, inner, after = written.groups() if written else ("", word, "")
    # Not by the library, which refuses zeros in front: some logs fill numbers up with them.
    numbers = _IPV4.fullmatch(inner)
    if numbers:
        first, *others = (int(number.rstrip(".")) for number in numbers.groups())
        is_kept_whole = max(first, *others) > _OCTET_MAX or first == _LOOPBACK
        return word if is_kept_whole else f"{before}{''.join(numbers.groups()[:3])}0{after}"
    try:
        # A zone behind the address names an interface.
        address = ipaddress.ip_address(inner.partition("%")[0])
    except ValueError:
        return word
    if address.is_loopback:
        return word
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    kept = mapped or address
    network = ipaddress.ip_network((kept, _kept_bits(kept)), strict=False)
    return f"{before}{network.network_address}{after}"


def _kept_bits(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    # 6to4 has an IPv4 address behind its first 16 bits.
    if isinstance(address, ipaddress.IPv6Address) and address.sixtofour is not None:
        return 16 + _KEPT_BITS[4]
    return _KEPT_BITS[address.version]


def shortener(names: tuple[str, ...]) -> Callable[[bytes], bytes]:
    """What shortens the addresses in the members `names` of JSON objects, texts and arrays of them,
    at any depth, and leaves every other byte as it is."""
    # In JSON these bytes begin a member and nothing else: within a text, its quotes are escaped.
    member = rb'("(?:' + "|".join(map(re.escape, names)).encode() + rb')"\s*:\s*)'
    # Most are of IPv4, which are shortened without a call for each: that takes a tenth of the time.
    octets = rb'"(?!127\.)(?:' + _OCTET + rb"\.){3})"
    simple = re.compile(member[:-1] + octets + _OCTET + rb'(?=")')
    rest = rb'(?!"[0-9.]+\.0")(?=\[|"(?:[^"\\.:]|\\[^u])*(?:[.:]|\\u))'
    other = re.compile(member + rest + rb"(" + _TEXT + rb"|" + _ARRAY + rb")")
    spelled = tuple(f'"{name}"'.encode() for name in names)

    def in_member(found: re.Match[bytes]) -> bytes:
        return found[1] + _TEXTS.sub(_in_text, found[2])

    def shorten(text: bytes) -> bytes:
        if not any(name in text for name in spelled):
            return text
        return other.sub(in_member, simple.sub(rb"\g<1>0", text))

    return shorten


def _in_text(found: re.Match[bytes]) -> bytes:
    """A text of JSON with its quotes, shortened; byte for byte the same if it has no address."""
    # Addresses are ASCII, and whatever else it is stays.
    written = found[0][1:-1].decode("latin-1")
    if "\\" in written:
        with suppress(ValueError):
            text = json.loads(found[0])
            short = shortened(text)
            return found[0] if short == text else json.dumps(short).encode()
    return f'"{shortened(written)}"'.encode("latin-1")
