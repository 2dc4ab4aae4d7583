"""Parts are found in, taken apart and joined as the rows that they are made of."""

import numpy as np
import polars as pl

from rtcdp.recommendations import SESSIONS_SCHEMA, keys_frame
from rtcdp.recommendations.session_part import ItemCodes, cleaned, part_of, postings, recoded


def part(rows, items):
    return part_of(cleaned(pl.DataFrame(rows, SESSIONS_SCHEMA, orient="row")), items)


def rows_of(some, items):
    return some.frame(items).drop("told").rows()


def test_sessions_are_found_among_many_that_begin_at_the_same_time():
    users = [f"u{number:03d}" for number in range(0, 400, 2)]
    some = part([(user, start, ["hat"]) for start in (1, 2) for user in users], ItemCodes())
    asked = keys_frame([("u398", 2), ("u000", 1), ("u101", 1), ("u100", 2), ("u000", 3)])
    assert some.ranks(asked).tolist() == [399, 0, 51, 250, 400]
    assert some.places(asked).tolist() == [399, 0, 250]


def test_parts_are_taken_apart_and_joined():
    items = ItemCodes()
    some = part([("ann", 1, ["hat", "kite"]), ("bob", 2, ["lamp"]), ("cay", 3, ["hat"])], items)
    both = some.among(np.array([0, 2])).joined(part([("abe", 1, ["sock", "hat"])], items))
    expected = [("abe", 1, ["sock", "hat"]), ("ann", 1, ["hat", "kite"]), ("cay", 3, ["hat"])]
    assert rows_of(both, items) == expected
    anew, names = recoded(both, items)
    assert rows_of(anew, names) == expected
    assert sorted(names.names) == ["hat", "kite", "sock"]


def test_the_sessions_of_each_of_very_many_items_stand_oldest_first():
    names = [f"item {number}" for number in range(70_000)]
    items = ItemCodes(names)
    some = part([("ann", 1, names[::-1]), ("bob", 2, ["item 69999", "item 3"])], items)
    held = postings(some, len(names), 0, 0)
    for code, sessions in ((69_999, [0, 1]), (3, [0, 1]), (69_000, [0]), (65_539, [0])):
        found = held.newest(code, 9)
        assert held.sessions[found].tolist() == sessions
        assert set(some.codes[held.entries[found]].tolist()) == {code}
