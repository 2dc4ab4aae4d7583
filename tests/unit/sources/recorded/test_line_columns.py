"""Lines of a text as a column: the very lines that stand there, whatever a parser makes of them."""

import pytest

from rtcdp.sources.recorded.line_columns import lines_of

LONG = "a line of some length, so that many of them are parsed together\n" * 5_000


@pytest.mark.parametrize(
    "odd",
    [
        "",
        " ",
        "\t",
        "\r",
        "ends with CR\r",
        "\ufeffa byte order mark",
        "\x00",
        "\x01",
        "a\x01b",
        "\x0b\x0c\x1c\x85\u2028",
        '"',
        '"open',
        "'x'",
        "#",
        "null",
        "ä€𝄞",
    ],
)
def test_lines_come_as_they_stand_wherever_an_odd_one_is(odd: str) -> None:
    line = odd + "\n"
    for text in (line, line + LONG, LONG + line, LONG + line + line + LONG, line * 300_000):
        assert lines_of(text.encode()).to_list() == text[:-1].split("\n")
