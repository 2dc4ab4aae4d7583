"""Whether bytes name a user, whatever else they are."""

import json
import re
from functools import lru_cache

import msgspec


def names_user(raw: bytes, user_id: str) -> bool:
    """Whether the id stands in these bytes as a word of its own: as it is, or as JSON spells it."""
    return pattern_of(user_id).search(raw) is not None


def is_of_user(raw: bytes, user_id: str) -> bool:
    """Whether a record is the user's: what says whose it is is theirs or somebody else's, whatever
    else stands in it; of all others whoever is named in them is meant."""
    try:
        event = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return names_user(raw, user_id)
    if isinstance(event, dict) and isinstance(event.get("userId"), str):
        return bool(event["userId"] == user_id)
    return names_user(raw, user_id)


def spellings(user_id: str) -> tuple[bytes, ...]:
    """The id as UTF-8, and as JSON writes it where that differs."""
    as_json = msgspec.json.encode(user_id)[1:-1]
    ascii_only = json.dumps(user_id)[1:-1].encode()
    return tuple(dict.fromkeys((user_id.encode(), as_json, ascii_only)))


@lru_cache(maxsize=8)
def pattern_of(user_id: str) -> re.Pattern[bytes]:
    """Finds the id where neither a letter nor a digit nor an underscore stands beside it."""
    words = b"|".join(map(re.escape, spellings(user_id)))
    return re.compile(rb"(?<![0-9A-Za-z_])(?:" + words + rb")(?![0-9A-Za-z_])")
