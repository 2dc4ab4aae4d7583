import pytest

from rtcdp.sources.records import csv_row, unescaped


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        (r"a \"b\"", 'a "b"'),
        (r"\x22b\x22", '"b"'),
        (r"\\x22", r"\x22"),
        (r"caf\xC3\xA9", "café"),
        (r"\t\n", "\t\n"),
        (r"\xff", r"\xff"),
        (r"\x00", r"\x00"),
        (r"\q", r"\q"),
        ("café \\x41", "café A"),
    ],
)
def test_escapes_of_web_servers_are_read(text, plain):
    assert unescaped(text) == plain


def test_a_csv_row_may_be_quoted():
    assert csv_row(b'a,"b,""c"""', ",") == ["a", 'b,"c"']
    assert csv_row(b'"a', ",") is None
