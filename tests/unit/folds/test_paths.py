"""Paths by hand, and their answers: whole paths are limited, never steps."""

import json
import random

import polars as pl
import pytest

from rtcdp.definitions import event_type
from rtcdp.errors import UsageError
from rtcdp.folds.paths import Paths
from rtcdp.store.row_changes import ROW_BYTES_MAX
from tests.stories import event, frame_of

BY_USER = Paths(by="user", nodes_max=3)


def walk(user, *pages):
    return [event(n, user=user, pageUrl=page) for n, page in enumerate(pages)]


def rows_of(*walks, definition=BY_USER):
    return definition.rows(frame_of([one for each in walks for one in each]), "userId")


def test_a_path_is_json_whatever_a_page_is_called():
    pages = ('/"quoted"', "/back\\slash,\n", "/ü")
    rows = rows_of(walk("ann", *pages))
    assert json.loads(rows["path"][0]) == list(pages)


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        (Paths(by="user", nodes_max=20), slice(9)),
        (Paths(by="user", nodes_max=20, to_event=event_type("PAGE_VIEW")), slice(3, None)),
    ],
    ids=["from the beginning", "to an event"],
)
def test_of_long_names_fewer_are_told_so_that_every_store_takes_the_row(definition, told):
    pages = [f"{number:02}" + 2046 * "\1" for number in range(12)]
    short = walk("bob", *"abcdefghijklmnop")
    rows = rows_of(walk("ann", *pages), short, definition=definition).sort("userId")
    assert json.loads(rows["path"][0]) == pages[told]
    assert rows["length"].to_list() == [9, 16]
    assert rows["is_cut"].to_list() == [1, 0]
    assert rows["path"].str.len_bytes().max() < ROW_BYTES_MAX * 0.9


def test_a_batch_may_be_large():
    """Polars filters large frames in parts, which a mask of one value has not as many of."""
    pages = frame_of([event(0, pageUrl=page) for page in ("/", "/x")])
    many = pl.concat([pages] * 20_000).with_columns(timestamp=pl.int_range(pl.len()))
    assert BY_USER.rows(many, "userId")["path"].to_list() == ['["/","/x","/"]']


@pytest.mark.parametrize(
    "options", [{"by": "device"}, {"nodes_max": 1}, {"nodes_max": 21}], ids=str
)
def test_paths_that_make_no_sense_are_refused_with_what_to_write(options):
    with pytest.raises(UsageError) as refused:
        Paths(**options)
    assert refused.value.hint


def test_events_at_once_without_ids_are_told_alike_whoever_is_beside_them():
    rng = random.Random(1)
    types = ["PAGE_VIEW", "ADD_TO_CART"]
    stories = {
        user: [event(at // 10, rng.choice(types), user=user, pageUrl="/") for at in range(30)]
        for user in ("ann", "bob", "zoe")
    }
    step = Paths(from_event=event_type("ADD_TO_CART"), collapse=False, nodes_max=20)

    def told(*users):
        rows = step.rows(
            frame_of([each for user in users for each in stories[user][:12]]), "userId"
        )
        return rows.sort("userId", *step.order).rows()

    assert told("zoe", "ann", "bob") == [row for user in stories for row in told(user)]
