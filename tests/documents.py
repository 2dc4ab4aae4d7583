"""Documents that are nearly events: made by a seed, mutated where JSON libraries disagree."""

import json
import random
from collections.abc import Callable, Iterator, Sequence

TEXTS = ('"u"', '""', '"ada "', '"\\u0041"', '"a\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"', '"é😀"')
TEXTS += (
    '"\\udc00\\ud800"',
    '"a\\/b"',
    '"a\nb"',
    '"a\\nb"',
    '"\x7f"',
    '"\x01"',
    '"\\x"',
    '"\\u12"',
)
TEXTS += (f'"{"x" * 100}"', f'"{"x" * 101}"', f'"{"é" * 256}"', f'"{"y" * 257}"', '"a\r"', "'u'")
TEXTS += (f'"{"z" * 2048}"', f'"{"z" * 2049}"', '"\ufeff"', '"\u2028"', '"\\ud83d\\u0041"', '"\\"')
NUMBERS = ("0", "-0", "-0.0", "1", "01", "1.", ".5", "+1", "1e5", "1E+5", "1e-7", "1e999", "-1e999")
NUMBERS += ("1e-999", "9007199254740993", "18446744073709551615", "18446744073709551616", "0x10")
NUMBERS += ("-9223372036854775808", "-9223372036854775809", "10000000000", "10000000000.000002")
NUMBERS += ("8589934592", "-8589934592.0", "8589934592.000002", "8589934593", "-8589934592.5")
NUMBERS += (
    "-10000000000",
    "1e10",
    "1e11",
    "0.1",
    "19.99",
    "NaN",
    "Infinity",
    "-Infinity",
    "-",
    "1_0",
)
NUMBERS += ("9" * 30, "9" * 30 + ".5", "1" * 400, "1" * 400 + ".0", "123456789012345678901e-20")
INSTANTS = ("1767225600000", "-1", "253402300799999", "253402300800000", "-62135596800000")
INSTANTS += (
    "253370764799999",
    "253370764800000",
    "-62104060800000",
    "-62104060800001",
    "1767225600000.0",
    "1.7672256e12",
    '"1767225600000"',
)
MOMENTS = ("2026-01-31T09:30:00.250Z", "2026-01-31t09:30:00z", "2026-01-31 09:30:00Z")
MOMENTS += ("2026-01-31T09:30:00", "2026-01-31T09:30Z", "2026-01-31", "20260131T093000Z")
MOMENTS += ("2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-12-31T23:59:60Z")
MOMENTS += ("2026-01-01T24:00:00Z", "2026-01-01T23:59:59.999999999Z", "2026-01-01T00:00:00.Z")
MOMENTS += ("2026-01-01T00:00:00.1234567890123456789Z", "2026-01-01T00:00:00,5Z")
MOMENTS += ("2026-01-01T00:00:00+14:00", "2026-01-01T00:00:00-23:59", "2026-01-01T00:00:00+24:00")
MOMENTS += ("2026-01-01T00:00:00+0130", "2026-01-01T00:00:00+01", "2026-01-01T00:00:00-00:00")
MOMENTS += ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "0000-12-31T23:00:00-01:00")
MOMENTS += ("0002-01-01T00:00:00Z", "0001-12-31T23:59:59.999999999Z", "0002-01-01T00:00:00+00:01")
MOMENTS += ("9998-12-31T23:59:59.9999999Z", "9999-01-01T00:00:00Z", "9999-01-01T00:00:00+00:01")
MOMENTS += ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-01:00")
MOMENTS += (
    "1969-12-31T23:59:59.9995Z",
    "1969-12-31T23:59:59.999999999Z",
    "2026-01-01T00:00:00−01:00",
)
INSTANTS += tuple(f'"{moment}"' for moment in MOMENTS)
EVENT_TYPES = ('"PAGE_VIEW"', '"A"', '"A1_"', '"a"', '"1A"', '"_A"', '"PAGE VIEW"', '"A\\n"', '""')
EVENT_TYPES += (f'"{"A" * 64}"', f'"{"A" * 65}"', '"\\u0041"', '"Ä"')
WORDS = ("null", "true", "false", "nul", "True", "undefined", "[]", "{}", "[1,]", '{"a":}', "")
NESTED = (
    *("[" * n + "]" * n for n in (62, 63, 64, 65)),
    '{"a":' * 63 + "1" + "}" * 63,
    "[" * 70,
)
OBJECTS = ('{"a":1}', '{"a":1,"a":2}', '{"a":1e999}', '{"a":"\\ud800"}', '{"a":[1,{"b":null}]}')
OBJECTS += ('{"a":18446744073709551616}', f'{{"a":"{"p" * 32_758}"}}', f'{{"a":"{"p" * 32_762}"}}')
OBJECTS += ('{ "a" : 1 }', "{}", '{"":""}', '{"a":"}{"}', '{"a":"[[[["}')
ANYTHING = (*TEXTS, *NUMBERS, *INSTANTS, *WORDS, *NESTED, *OBJECTS)

NAMES = ("userId", "timestamp", "eventType", "eventId", "sessionId", "productId", "pageUrl")
NAMES += ("value", "properties")
OTHER_NAMES = (
    "us\\u0065rId",
    "userid",
    "extra",
    "",
    "value ",
    "\\u0076alue",
    "user\\u0000Id",
    "$where",
)
SPACES = ("", "", "", "", " ", "\t", "\r", "\n", " \t", "\x0b", "\xa0", "\ufeff")

FITTING = {
    "timestamp": INSTANTS,
    "eventType": EVENT_TYPES,
    "value": NUMBERS,
    "properties": (*OBJECTS, *NESTED),
}
PIECES = (
    *[b"\\u0000"] * 3,
    *(piece.encode() for piece in ANYTHING if len(piece) < 100),
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\x00", b"\x80", b"\xff", b"\xed\xa0\x80"),
    *(
        b"\xc0\x80",
        b"\xf4\x90\x80\x80",
        b"\xef\xbb\xbf",
        b"\\u",
        b"\\ud83d",
        b"e",
        b"-",
        b"0",
        b" ",
    ),
    *(b'"userId":"v",', b'"value":1,', b"0" * 70_000, b"[" * 65, b"}" * 65),
)


def documents(seed: int, count: int) -> Iterator[bytes]:
    """So many documents, the same for the same seed; about a third of them are events."""
    rng = random.Random(seed)
    before = b"{}"
    for _ in range(count):
        is_odd = rng.random() < 0.01
        document = (
            rng.choice(ANYTHING).encode("utf-8", "surrogatepass") if is_odd else _written(rng)
        )
        for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2, 5))):
            document = rng.choice(MUTATIONS)(rng, document, before)
        yield document
        before = document


def _written(rng: random.Random) -> bytes:
    """An event in JSON, with oddities here and there."""
    oddity = rng.choice((0.0, 0.02, 0.1, 0.4))
    names = [name for name in NAMES if name in NAMES[:3] or rng.random() < 0.4]
    if rng.random() < oddity:
        names[rng.randrange(len(names))] = rng.choice((*NAMES, *OTHER_NAMES))
    if rng.random() < 0.1 + oddity:
        names.append(rng.choice((*NAMES, *OTHER_NAMES, "extra", "extra")))
    rng.shuffle(names)
    members = [f'"{name}"{_space(rng, oddity)}:{_value(rng, name, oddity)}' for name in names]
    text = "{" + ",".join(members) + "}"
    return (_space(rng, oddity) + text + _space(rng, oddity)).encode("utf-8", "surrogatepass")


def _value(rng: random.Random, name: str, oddity: float) -> str:
    if rng.random() < oddity / 3:
        return rng.choice(ANYTHING)
    if rng.random() < oddity:
        return rng.choice(FITTING.get(name, TEXTS)) + _space(rng, oddity)
    plain: dict[str, Callable[[], object]] = {
        "timestamp": lambda: rng.choice((1_767_225_600_000 + rng.randrange(10**9), MOMENTS[0])),
        "eventType": lambda: rng.choice(("PAGE_VIEW", "PURCHASE")),
        "value": lambda: rng.choice(
            (None, -0.0, rng.randrange(100), round(rng.uniform(-99, 99), 6))
        ),
        "properties": lambda: {"country": rng.choice("ab"), "n": rng.random()},
    }
    value = plain.get(name, lambda: rng.choice(("ada", "bob", "é😀", "x" * 9)))()
    return json.dumps(value, ensure_ascii=rng.random() < 0.3)


def _space(rng: random.Random, oddity: float) -> str:
    return rng.choice(SPACES) if rng.random() < oddity else ""


def _put_in(rng: random.Random, document: bytes, _: bytes) -> bytes:
    at = rng.randint(0, len(document))
    return document[:at] + rng.choice(PIECES) + document[at:]


def _left_out(rng: random.Random, document: bytes, _: bytes) -> bytes:
    at = rng.randint(0, len(document))
    return document[:at] + document[at + rng.choice((1, 1, 2, 9)) :]


def _replaced(rng: random.Random, document: bytes, _: bytes) -> bytes:
    at = rng.randint(0, len(document))
    return document[:at] + bytes([rng.randrange(256)]) + document[at + 1 :]


def _cut(rng: random.Random, document: bytes, _: bytes) -> bytes:
    return document[: rng.randint(0, len(document))]


def _said_twice(rng: random.Random, document: bytes, _: bytes) -> bytes:
    start, end = sorted((rng.randint(0, len(document)), rng.randint(0, len(document))))
    return document[:end] + document[start:]


def _spliced(rng: random.Random, document: bytes, before: bytes) -> bytes:
    return document[: rng.randint(0, len(document))] + before[rng.randint(0, len(before)) :]


MUTATIONS: Sequence[Callable[[random.Random, bytes, bytes], bytes]] = (
    _put_in,
    _put_in,
    _left_out,
    _replaced,
    _cut,
    _said_twice,
    _spliced,
)
