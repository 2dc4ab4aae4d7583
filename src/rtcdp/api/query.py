"""Questions in the query part of an address: which parameters a route takes, as the question's own
struct says, and reading them strictly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from rtcdp.answers.export import Form
from rtcdp.answers.instant import duration_ms, read_instant
from rtcdp.errors import BadRequest, did_you_mean

Q = TypeVar("Q", bound=msgspec.Struct)

Kind = Literal["filter", "text", "words", "number", "instant", "duration", "cursor"]

_MAX_PARAMETERS = 50
_FILTERS = "equals"


@dataclass(frozen=True)
class QueryParameter:
    """One parameter, which fills the field `field` of a question. One that `is_many` may be sent
    several times, and means any of the values. `words` are all that it may be, or what an instant
    may be besides; a number is from `least` to `most`, and `default` if it isn't sent."""

    name: str
    field: str
    kind: Kind
    description: str
    is_many: bool = False
    words: tuple[str, ...] = ()
    least: int = 1
    most: int = 1
    default: int | None = None

    def read(self, texts: Sequence[str]) -> Any:
        """What was sent, as the question has it. Raises `BadRequest`."""
        values = [self._value(text) for text in texts]
        return tuple(dict.fromkeys(values)) if self.is_many else values[0]

    def _value(self, text: str) -> str | int:
        match self.kind:
            case "filter" if "\0" in text:
                raise BadRequest(
                    f"{self.name} holds the character U+0000", "leave it away: no event has it"
                )
            case "words":
                return self._word(text)
            case "number":
                return self._number(text)
            case "instant" if text not in self.words:
                return read_instant(self.name, text)
            case "duration":
                return duration_ms(self.name, text)
            case _:
                return text

    def _word(self, text: str) -> str:
        if text not in self.words:
            raise BadRequest(
                f"{self.name}={text[:100]!r} is not known",
                f"{did_you_mean(text, self.words)}send {_listed(self.words)}",
            )
        return text

    def _number(self, text: str) -> int:
        is_whole = text.isascii() and text.isdigit() and len(text) < 10
        if not (is_whole and self.least <= int(text) <= self.most):
            raise BadRequest(
                f"{self.name}={text[:100]!r} is not possible",
                f"send a whole number from {self.least} to {self.most}",
            )
        return int(text)


FORMAT = QueryParameter(
    name="format",
    field="",
    kind="words",
    description="what the rows are written as; without it, what `Accept` asks for",
    words=("json", *get_args(Form)),
)


@dataclass(frozen=True)
class Asked(Generic[Q]):
    """What a route is asked: a question, and the `filters` that its `equals` may name, each with
    what it means. Where it `is_exported`, the answer may be asked for in another form than JSON:
    `rtcdp.api.forms` reads which."""

    question: type[Q]
    filters: Mapping[str, str] = field(default_factory=dict)
    is_exported: bool = False

    @cached_property
    def parameters(self) -> tuple[QueryParameter, ...]:
        """In the order of the question's fields."""
        hints = get_type_hints(self.question, include_extras=True)
        found: list[QueryParameter] = []
        for each in msgspec.structs.fields(self.question):
            if each.name == _FILTERS:
                found += [
                    QueryParameter(name, _FILTERS, "filter", meaning, is_many=True)
                    for name, meaning in self.filters.items()
                ]
            else:
                found.append(_parameter(each, hints[each.name]))
        return (*found, FORMAT) if self.is_exported else tuple(found)

    def read(self, request: Request[Any, Any, Any]) -> Q:
        """The question in a request.

        Raises `BadRequest` for a parameter that is unknown, sent more often than it may be or
        nothing that it may be, and for what is not UTF-8.
        """
        return self._filled(_pairs(request.scope["query_string"]))

    def read_among(self, request: Request[Any, Any, Any]) -> Q:
        """The question in a request that may say other things as well, as the address of a page
        does. An empty field of a form says nothing. Raises `BadRequest` as `read` does."""
        known = {each.name for each in self.parameters}
        pairs = _pairs(request.scope["query_string"])
        return self._filled([(name, text) for name, text in pairs if name in known and text])

    def _filled(self, pairs: Sequence[tuple[str, str]]) -> Q:
        values = _values_of(pairs, self.parameters)
        given: dict[str, Any] = {}
        for each in self.parameters:
            if each.name not in values:
                continue
            value = each.read(values[each.name])
            if each is FORMAT:
                continue
            if each.field == _FILTERS:
                given.setdefault(_FILTERS, {})[each.name] = value
            else:
                given[each.field] = value
        return self.question(**given)


def _parameter(each: msgspec.structs.FieldInfo, hint: Any) -> QueryParameter:
    """The parameter that a field of a question is written as."""
    assert get_origin(hint) is Annotated, f"{each.name} doesn't say what it means"
    kind, meta = get_args(hint)
    choices = [kind]
    if get_origin(kind) is not Literal:
        choices = [each for each in get_args(kind) if each not in (type(None), ...)] or [kind]
    words = [word for choice in choices for word in get_args(choice)]
    written = (meta.extra or {}).get("written")
    return QueryParameter(
        name=each.encode_name,
        field=each.name,
        kind=written or ("words" if words else "number" if int in choices else "text"),
        description=meta.description,
        is_many=get_origin(kind) is tuple,
        words=tuple(words),
        least=1 if meta.ge is None else meta.ge,
        most=meta.le or 1,
        default=each.default if isinstance(each.default, int) else None,
    )


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query_string.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError as error:
        raise BadRequest(
            "the query can't be read", f"send UTF-8, percent-encoded, {_MAX_PARAMETERS} at most"
        ) from error


def _values_of(
    pairs: Sequence[tuple[str, str]], allowed: Sequence[QueryParameter]
) -> dict[str, tuple[str, ...]]:
    """Parameters as they were sent, none that is unknown; several values where that is allowed."""
    known = {parameter.name: parameter for parameter in allowed}
    values: dict[str, tuple[str, ...]] = {}
    for name, text in pairs:
        if name not in known:
            raise _unknown(name, tuple(known))
        if name in values and not known[name].is_many:
            raise BadRequest(f"{name} is there twice", "send it once")
        values[name] = (*values.get(name, ()), text)
    return values


def _unknown(name: str, known: Sequence[str]) -> BadRequest:
    hint = f"send {_listed(known)}" if known else "send no parameters"
    return BadRequest(
        f"there is no parameter {name[:100]!r} here", f"{did_you_mean(name, known)}{hint}"
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
