import pytest

from rtcdp.intake.pieces import piece_named
from rtcdp.intake.problem import RequestRefused
from rtcdp.log.piece import Piece

ONE, TWO = "0" * 32, "a1" * 16


def test_a_header_names_a_piece_or_asks_what_follows():
    named = f"after={ONE}; key={TWO}; bytes=12; name=day%20one.csv".encode()
    assert piece_named(named) == Piece(ONE, TWO, 12, "day one.csv")
    assert piece_named(f" after={ONE}".encode()) == Piece(ONE, "", 0)


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"after={ONE[1:]}",
        f"after={ONE.replace('0', 'G')}",
        f"after={ONE}; key={TWO}",
        f"after={ONE}; key={TWO}; bytes=-1",
        f"after={ONE}; key={TWO}; bytes={16 * 2**20 + 1}",
        f"after={ONE}; key={TWO}; bytes=\u0663",
        f"after={ONE}; key={TWO}; bytes=1; name=a b",
        f"after={ONE}\n",
    ],
)
def test_what_is_no_name_is_refused(header):
    with pytest.raises(RequestRefused, match="no valid name"):
        piece_named(header.encode("utf-8").replace(b"\n", b"\nx"))
