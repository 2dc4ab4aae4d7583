import json

import pytest

from rtcdp.plain_text import as_json_text, as_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ada", "ada"),
        ("Zoë 东京 🛒", "Zoë 东京 🛒"),
        ("\x1b[2J\x1b]0;mine\x07", "\\x1b[2J\\x1b]0;mine\\x07"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f", "\\x7f"),
        ("\u202eevil\u2028x", "\\u202eevil\\u2028x"),
        ("\udc80", "\\udc80"),
        (7, "7"),
        ("[bold]a[/bold]", "[bold]a[/bold]"),
    ],
)
def test_what_steers_a_terminal_is_written_out(value, text):
    assert as_text(value) == text


def test_a_json_document_means_the_same_and_steers_nothing():
    document = json.dumps({"user": "\x9b2J\u202ea\x1b"}, ensure_ascii=False, indent=1)
    shown = as_json_text(document)
    assert not {"\x9b", "\u202e", "\x1b"} & set(shown)
    assert json.loads(shown) == json.loads(document)
