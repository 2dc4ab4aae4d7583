"""Addresses of pages: all that a visitor has chosen stands in them, so that each can be kept, sent
to others, and gone back to."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

TAKEN_ALONG = ("from", "to", "last", "tz")
"""What a visitor has chosen on one page and finds on the next one."""

PEOPLE_CURSOR = "people_cursor"
CURSORS = ("cursor", PEOPLE_CURSOR)
"""Where in its lists a page is: at another time or with another filter, they begin anew."""

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PageAddress:
    """A path and the pairs of its query, as they were sent."""

    path: str
    pairs: Pairs = ()

    def but(
        self, changes: dict[str, str | int | None] | None = None, **more: str | int | None
    ) -> str:
        """This address with other values; None leaves a name out. Names that are no Python stand in
        `changes`."""
        wanted = {**(changes or {}), **more}
        kept = [pair for pair in self.pairs if pair[0] not in wanted]
        added = [(name, str(value)) for name, value in wanted.items() if value is not None]
        return written(self.path, [*kept, *added])

    def without(self, name: str, value: str) -> str:
        """This address without one of the values of a name."""
        return written(self.path, [pair for pair in self.pairs if pair != (name, value)])

    def elsewhere(self, path: str, **more: str | int | None) -> str:
        """Another page's address, with what is taken along; `more` goes with it, or, where it is
        None, stays away."""
        kept = [pair for pair in self.pairs if pair[0] in TAKEN_ALONG and pair[0] not in more]
        added = [(name, str(value)) for name, value in more.items() if value is not None]
        return written(path, [*kept, *added])

    def hidden(self, *names: str) -> Pairs:
        """What a form that asks for `names` has to send besides."""
        away = (*names, *CURSORS)
        return tuple(pair for pair in self.pairs if pair[0] not in away and pair[1])

    def moving(self, **more: str | None) -> str:
        """This address at a time that moves with the clock, with other values."""
        return self.but({**dict.fromkeys(("from", "to", *CURSORS)), **more})


def read_address(path: str, query: bytes) -> PageAddress:
    """The address of a request; what is not UTF-8 has been refused before."""
    # Two slashes at the beginning would lead to another server.
    path = f"/{path.lstrip('/')}"
    return PageAddress(path, tuple(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))


def own_address(text: str) -> str | None:
    """An address of this server that somebody else wrote down; None where it may lead elsewhere, as
    browsers read it: they take `\\` for `/`, and leave tabs and line breaks away."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if is_path and text.isprintable() and text.isascii() else None


def segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="~")


def written(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A path with a query, if there is one."""
    return f"{path}?{urlencode(pairs)}" if pairs else path
