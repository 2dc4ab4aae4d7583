"""The index of sessions: what holds an item, what is taken out, what is too old."""

from itertools import pairwise

import numpy as np
import polars as pl

from rtcdp.recommendations import SESSIONS_SCHEMA, TOLD, index_of, keys_frame, session_index


def frame(*rows):
    return pl.DataFrame(list(rows), SESSIONS_SCHEMA, orient="row")


ROWS = (
    ("bob", 2, ["sock", "shoe", "sock"]),
    ("ann", 1, ["shoe"]),
    ("ann", 2, ["shoe", "hat"]),
    ("cay", 3, []),
)


def held_by(index, item, newest):
    keys = index.sessions().select("user", "start").rows()
    [code] = index.codes_of([item])
    numbers = index.entries_of(code, newest)[1].tolist()
    by_number = {int(index.numbers_of(keys_frame([key]))[0]): key for key in keys}
    return [by_number[number] for number in numbers]


def test_sessions_stand_by_time_and_user_each_item_once():
    index = index_of(frame(*ROWS))
    assert index.sessions().rows() == [
        ("ann", 1, ["shoe"]),
        ("ann", 2, ["shoe", "hat"]),
        ("bob", 2, ["sock", "shoe"]),
    ]
    assert index.session_count == 3


def test_the_newest_sessions_with_an_item_are_found_oldest_first():
    index = index_of(frame(*ROWS))
    assert held_by(index, "shoe", 2) == [("ann", 2), ("bob", 2)]
    assert held_by(index, "shoe", 9) == [("ann", 1), ("ann", 2), ("bob", 2)]


def test_what_came_later_stands_where_it_belongs():
    index = index_of(frame(*ROWS)).changed(
        frame(("abe", 2, ["shoe"]), ("zoe", 1, ["shoe"])), keys_frame([("ann", 2)])
    )
    assert held_by(index, "shoe", 9) == [("ann", 1), ("zoe", 1), ("abe", 2), ("bob", 2)]
    assert held_by(index, "shoe", 3) == [("zoe", 1), ("abe", 2), ("bob", 2)]


def test_an_item_of_no_session_is_unknown():
    index = index_of(frame(*ROWS)).changed(frame(), keys_frame([("ann", 2)]))
    assert len(index.codes_of(["hat", "kite"])) == 0


def test_old_sessions_go():
    index = index_of(frame(*ROWS))
    assert index.without_before(2).sessions()["start"].to_list() == [2, 2]
    assert index.without_before(1) is index


def told_by(index):
    """Each session as an answer sees it: when it began and its items, by number."""
    keys = index.sessions().select("user", "start")
    told = []
    for key in keys.rows():
        numbers = index.numbers_of(keys_frame([key]))
        codes = index.codes[index.items_of(numbers)[0]]
        told.append((key[0], *index.starts[numbers], [index.items.names[code] for code in codes]))
    return told


def test_an_older_index_is_not_disturbed_by_what_comes_later_of_it():
    index = index_of(frame(*ROWS))
    family = [index]
    for n in range(20):
        more = frame((f"u{n}", n, ["shoe", "hat"][: 1 + n % 2]), ("dan", 1, ["sock"]))
        # Two come of each, of which one goes on.
        family.append(index.changed(frame(("eva", n, ["shoe"])), keys_frame([("bob", 2)])))
        index = index.changed(more, keys_frame([(f"u{n - 3}", n - 3)]))
        family.append(index)
    for each in family:
        assert told_by(each) == each.sessions().rows()
        held = [row[:2] for row in each.sessions().rows() if "shoe" in row[2]]
        assert held_by(each, "shoe", 99) == held


def test_the_base_is_copied_once_in_several_changes():
    index = index_of(frame(*ROWS))
    seen = []
    for n in range(72):
        index = index.changed(frame(("dan", 10, [f"item {n}"])), keys_frame([]))
        seen.append(index.codes)
    assert sum(not np.shares_memory(one, later) for one, later in pairwise(seen)) == 2


def test_none_at_all():
    index = index_of(frame())
    assert (index.session_count, index.sessions().height) == (0, 0)
    index = index.changed(frame(*ROWS), keys_frame(()))
    assert index.session_count == 3


def test_items_that_no_session_holds_any_more_are_forgotten_when_all_is_sorted_again(monkeypatch):
    monkeypatch.setattr(session_index, "RECENT_MAX", 3)
    index = index_of(frame(*ROWS))
    for n in range(200):
        index = index.changed(frame(("dan", 10, [f"item {n}"])), keys_frame([]))
        index = index.changed(frame(("eva", 10 + n, ["shoe"])), keys_frame([("eva", 9 + n)]))
    assert len(index.items.names) < 20
    assert len(index.codes_of(["shoe", "item 199"])) == 2


def test_what_is_told_of_a_user_s_sessions():
    told = frame(*ROWS).with_columns(pl.lit("then").alias(TOLD))
    index = index_of(told).changed(
        frame(("ann", 9, ["kite"])).with_columns(pl.lit("now").alias(TOLD)),
        keys_frame([("ann", 1)]),
    )
    numbers, texts = index.of_user("ann", 5)
    assert texts == ["then", "now"]
    assert sorted(index.starts[numbers].tolist()) == [2, 9]
    numbers, texts = index.of_user("ann", 1)
    assert (len(numbers), texts) == (2, ["now"])
    assert [len(each) for each in index.of_user("nobody", 5)] == [0, 0]


def test_what_is_known_is_there_and_told_alike():
    told = frame(*ROWS).with_columns(pl.col("user").alias(TOLD))
    changed = frame(("dan", 4, ["hat"])).with_columns(pl.lit("dan").alias(TOLD))
    gone = keys_frame([("ann", 1)])
    index = index_of(told).changed(changed, gone)
    asked = pl.DataFrame(
        {"user": ["ann", "ann", "bob", "dan", "eva"], "start": [1, 2, 2, 4, 2]}
    ).with_columns(pl.Series(TOLD, ["ann", "ann", "other", "dan", "eva"]))
    assert index.knows(asked).tolist() == [False, True, False, True, False]
