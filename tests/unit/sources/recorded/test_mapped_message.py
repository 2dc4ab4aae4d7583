"""A message is mapped as a line of a file is."""

import json

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.sources.recorded.mapped_message import message_mapper
from rtcdp.sources.recorded.mapping import parse_mapping

MAPPED = message_mapper(
    parse_mapping(
        """
        format = "ndjson"
        [fields]
        userId = "{who}"
        [event_type]
        default = "SEARCH"
        [timestamp]
        from = "{at}"
        format = "epoch_ms"
        """,
        "searches",
    )
)


def test_an_event_is_made_and_has_no_id_of_ours() -> None:
    assert json.loads(MAPPED(b'{"who": "ada", "at": 0, "more": [1]}')) == {
        "userId": "ada",
        "eventType": "SEARCH",
        "timestamp": "1970-01-01T00:00:00.000Z",
    }


def test_what_is_missing_is_said_beside_the_message() -> None:
    message = b'{"at": 0}'
    line = MAPPED(message)
    rejection = decode(line)
    assert isinstance(rejection, Rejection)
    assert rejection.message.startswith("column who is empty")
    assert json.loads(line)["line"].encode() == message
