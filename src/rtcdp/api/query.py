"""The query part of an address: which parameters a list takes, and reading them strictly."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args
from urllib.parse import parse_qsl

from litestar import Request

from rtcdp.answers.cursor import Part, Shape, read_cursor
from rtcdp.answers.instant import duration_ms, read_instant
from rtcdp.api.parameter import QueryParameter
from rtcdp.definitions import TextField
from rtcdp.errors import BadRequest
from rtcdp.events.event import MIN_TIMESTAMP_MS

_MAX_PARAMETERS = 50

TEXT_FIELDS: tuple[TextField, ...] = get_args(TextField)


@dataclass(frozen=True)
class Query:
    """Parameters as they were sent, none that is unknown; several values where that is allowed."""

    values: Mapping[str, tuple[str, ...]]

    def text(self, name: str) -> str | None:
        """The one value of a parameter that is sent once."""
        found = self.values.get(name)
        return None if found is None else found[0]

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of a parameter, each once."""
        return tuple(dict.fromkeys(self.values.get(name, ())))

    def instant(self, name: str) -> int | None:
        text = self.text(name)
        return None if text is None else read_instant(name, text)

    def start(self, now_ms: Callable[[], int]) -> int | None:
        """`from` or `since`: the time that a list begins at, in UTC ms.

        Raises `BadRequest` where both are there or one is none.
        """
        since = self.text("since")
        if since is None:
            return self.instant("from")
        if "from" in self.values:
            raise BadRequest("from and since both say where to begin", "send one of them")
        return max(MIN_TIMESTAMP_MS, now_ms() - duration_ms("since", since))

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to `most`. Raises `BadRequest`."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= most):
            raise BadRequest(
                f"{name}={text[:100]!r} is not possible", f"send a whole number from 1 to {most}"
            )
        return int(text)

    def cursor(self, shape: Sequence[Shape]) -> tuple[Part, ...] | None:
        text = self.text("cursor")
        return None if text is None else read_cursor(text, shape)

    def one_of(self, name: str, allowed: Sequence[str]) -> str | None:
        """A word of a closed list. Raises `BadRequest` for another one."""
        return next(iter(self.some_of(name, allowed)), None)

    def some_of(self, name: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """Words of a closed list; none means any. Raises `BadRequest` for another one."""
        for text in self.texts(name):
            if text not in allowed:
                raise BadRequest(
                    f"{name}={text[:100]!r} is not known",
                    f"{_suggestion(text, allowed)}send {_listed(allowed)}",
                )
        return self.texts(name)

    def equals(self) -> dict[str, tuple[str, ...]]:
        """The parameters that are text fields of events. Raises `BadRequest` for values that no
        event can have."""
        found: dict[str, tuple[str, ...]] = {
            name: self.texts(name) for name in TEXT_FIELDS if name in self.values
        }
        for name, texts in found.items():
            if any("\0" in text for text in texts):
                raise BadRequest(
                    f"{name} holds the character U+0000", "leave it away: no event has it"
                )
        return found


def read_query(request: Request[Any, Any, Any], allowed: Sequence[QueryParameter]) -> Query:
    """The parameters of a request.

    Raises `BadRequest` for one that is unknown, sent more often than it may be, or not UTF-8.
    """
    raw: bytes = request.scope["query_string"]
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError as error:
        raise BadRequest(
            "the query can't be read", f"send UTF-8, percent-encoded, {_MAX_PARAMETERS} at most"
        ) from error
    known = {parameter.name: parameter for parameter in allowed}
    values: dict[str, tuple[str, ...]] = {}
    for name, text in pairs:
        if name not in known:
            raise _unknown(name, tuple(known))
        if name in values and not known[name].is_many:
            raise BadRequest(f"{name} is there twice", "send it once")
        values[name] = (*values.get(name, ()), text)
    return Query(values)


def _unknown(name: str, known: Sequence[str]) -> BadRequest:
    hint = f"send {_listed(known)}" if known else "send no parameters"
    return BadRequest(
        f"there is no parameter {name[:100]!r} here", f"{_suggestion(name, known)}{hint}"
    )


def _suggestion(text: str, known: Sequence[str]) -> str:
    """A question for the word that was probably meant, if there is one."""
    plain = {_plain(name): name for name in known}
    found = get_close_matches(_plain(text[:100]), plain, n=1)
    return f"did you mean {plain[found[0]]}? " if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
