import polars as pl

from rtcdp.definitions import ShownColumn, field_column, in_polars, of_stored, snake_case_of


def test_stored_columns_stand_in_braces():
    assert of_stored("{end} - {start}", lambda name: f"b.{name}") == "b.end - b.start"


def test_polars_computes_what_a_database_is_told_to():
    rows = pl.DataFrame({"userId": ["ada"], "start": [1], "end": [4]})
    shown = rows.select(
        in_polars("CAST({start} AS TEXT) || '~' || {userId}").alias("id"),
        in_polars("({end} - {start} >= 3)").alias("long"),
    )
    assert shown.rows() == [("1~ada", True)]


def test_the_api_calls_fields_as_events_do_and_flags_without_a_prefix():
    assert (field_column("userId").name, field_column("userId").field) == ("user_id", "userId")
    assert ShownColumn("is_cut", "flag", "({is_cut} = 1)", "").field == "cut"
    assert ShownColumn("is_cut", "text", "{is_cut}", "").field == "is_cut"


def test_names_are_in_snake_case():
    assert [*map(snake_case_of, ("userId", "pageUrl", "source", "user_id"))] == [
        "user_id",
        "page_url",
        "source",
        "user_id",
    ]
