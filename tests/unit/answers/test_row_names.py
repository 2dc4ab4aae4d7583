import pytest

from rtcdp.answers.row_names import read_row_name
from rtcdp.catalog.catalog import load_folds
from rtcdp.errors import NotThere

FOLDS = {fold.name: fold for fold in load_folds()}


def test_only_the_key_may_have_tildes():
    name = read_row_name("-5~la-tmp~0~a~b", FOLDS["cart_outcomes"], "row", "/api/joins/x")
    assert (name.start, name.further, name.whose) == (-5, ("la-tmp", "0"), "a~b")
    assert name.text == "-5~la-tmp~0~a~b"
    assert read_row_name("7~a~b", FOLDS["sessions"], "session", "/api/sessions").whose == "a~b"


@pytest.mark.parametrize("text", ["", "7", "x~ada", "7.5~ada", "9" * 18 + "~ada", "7~a\0b", "~ada"])
def test_what_is_no_name_is_not_found_with_where_to_look(text):
    with pytest.raises(NotThere) as refused:
        read_row_name(text, FOLDS["sessions"], "session", "/api/sessions")
    assert refused.value.hint == "ask /api/sessions, which tells the ids"
