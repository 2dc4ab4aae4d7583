import json
import shutil

import adbc_driver_sqlite.dbapi
import pytest


@pytest.fixture
def change(tmp_path):
    """Changes the store behind its back."""

    def change(sql: str) -> None:
        path = str(tmp_path / "rtcdp-data" / "store.db")
        with (
            adbc_driver_sqlite.dbapi.connect(path, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)

    return change


def test_a_store_that_is_right_has_no_difference(rtcdp, events):
    rtcdp("replay", events)
    done = rtcdp("verify")
    assert done.code == 0
    assert done.out.startswith("no difference: ")
    assert done.out.endswith("3 events\n")


def test_a_changed_value_is_found_and_shown(rtcdp, events, change):
    rtcdp("replay", events)
    change("UPDATE __user_page_view_counts SET page_view_count = 7 WHERE userId = 'bob'")
    done = rtcdp("verify")
    assert done.code == 1
    assert "2 differences: user_page_view_counts 2" in done.out
    (line, _) = [line for line in done.out.splitlines() if ", bob" in line]
    assert line.split()[-2:] == ["1", "7"]


def test_what_is_counted_by_category_is_counted_again_from_both_streams(rtcdp, change, tmp_path):
    sale = {
        "userId": "a",
        "timestamp": 2_000,
        "eventType": "PURCHASE",
        "productId": "p",
        "value": 3,
    }
    (tmp_path / "sales.ndjson").write_text(json.dumps(sale))
    (tmp_path / "products.ndjson").write_text(
        '{"productId":"p","category":"toys","validFrom":1000}'
    )
    rtcdp("replay", "--stream", "products", "products.ndjson")
    rtcdp("replay", "sales.ndjson")
    assert rtcdp("verify").code == 0
    change("UPDATE __products SET category = 'games'")
    done = rtcdp("verify")
    assert (done.code, "3 differences: revenue_by_category 2, products 1" in done.out) == (1, True)
    done = rtcdp("verify", "--quick")
    assert (done.code, "products  1970-01-01" in done.out) == (1, True)


def test_a_deleted_row_is_found(rtcdp, events, change):
    rtcdp("replay", events)
    change("DELETE FROM __events_by_type")
    done = rtcdp("verify")
    assert (done.code, "no row" in done.out) == (1, True)


def test_a_changed_ledger_is_found(rtcdp, events, change):
    rtcdp("replay", events)
    change("UPDATE _ledger SET late = late + 1, received = received + 1")
    assert rtcdp("verify").code == 1


def test_an_empty_log_has_no_difference(rtcdp, tmp_path):
    (tmp_path / "empty").touch()
    rtcdp("replay", "empty")
    assert rtcdp("verify").code == 0


def test_a_quick_look_finds_a_changed_count_without_the_log(rtcdp, events, change, tmp_path):
    rtcdp("replay", events)
    done = rtcdp("verify", "--quick")
    assert (done.code, done.out.startswith("the counts add up: ")) == (0, True)
    change(
        "UPDATE __user_page_view_counts SET page_view_count = page_view_count + 512"
        " WHERE userId = 'bob'"
    )
    shutil.rmtree(tmp_path / "rtcdp-data" / "log")
    done = rtcdp("verify", "--quick")
    assert done.code == 1
    assert "user_page_view_counts" in done.out


def test_a_quick_look_finds_a_changed_ledger(rtcdp, events, change):
    rtcdp("replay", events)
    change("UPDATE _ledger SET late = late + 1, received = received + 1")
    done = rtcdp("verify", "--quick")
    assert (done.code, "the ledger does not add up" in done.out) == (1, True)


def test_a_quick_look_compares_no_engines(rtcdp):
    assert rtcdp("verify", "--quick", "--engines", "native,spark").code == 2


def test_a_log_that_is_not_the_stores_is_not_compared(rtcdp, events, tmp_path):
    rtcdp("replay", events)
    shutil.rmtree(tmp_path / "rtcdp-data" / "log")
    done = rtcdp("verify")
    assert done.code == 3
    assert "log" in done.err


def test_where_nothing_is_there_is_nothing_to_verify(rtcdp):
    done = rtcdp("verify", "--data-dir", "absent")
    assert (done.code, "there is no folder absent" in done.err) == (3, True)


def test_differences_are_told_as_json_and_csv(rtcdp, events, change):
    rtcdp("replay", events)
    assert json.loads(rtcdp("verify", "--json").out)["differences"] == 0
    change("UPDATE __user_page_view_counts SET page_view_count = 7 WHERE userId = 'bob'")
    done = rtcdp("verify", "--json")
    document = json.loads(done.out)
    assert (done.code, document["differences"]) == (1, 2)
    assert document["items"][0]["table"] == "user_page_view_counts"
    assert (document["items"][0]["expected"], document["items"][0]["found"]) == (["1"], ["7"])
    done = rtcdp("verify", "--csv")
    assert (done.code, done.out.splitlines()[0]) == (1, "table,key,expected,found,note")


def test_the_judge_agrees_with_a_store_that_is_right(rtcdp, events):
    rtcdp("replay", events)
    done = rtcdp("verify", "--independent")
    assert done.code == 0, done.out
    assert "no difference: " in done.out
    assert done.out.endswith("3 records\n")


@pytest.mark.parametrize(
    ("sql", "about"),
    [
        ("UPDATE __user_page_view_counts SET page_view_count = 7", "answer user_page_view_counts"),
        ("UPDATE _spans SET max_event_time = min_event_time - 1", "span"),
        ("UPDATE _partitions SET max_received_at = 1", "watermark"),
        ("UPDATE _ledger SET conflict = conflict + 1", "ledger"),
    ],
)
def test_the_judge_finds_what_was_changed(rtcdp, events, change, sql, about):
    rtcdp("replay", events)
    change(sql)
    done = rtcdp("verify", "--independent")
    assert (done.code, about in done.out) == (1, True), done.out


def test_good_events_as_dead_letters_fail_the_check_unless_accepted(rtcdp, events, change):
    rtcdp("replay", events)
    change(
        "INSERT INTO _uncounted (partition, offset, source, received_at, verdict, reason)"
        " VALUES (0, 0, 'import', 0, 'dead_letter', 'processor_error')"
    )
    done = rtcdp("verify", "--independent")
    assert (done.code, "1 good events that the engine could not count" in done.out) == (1, True)
    assert rtcdp("verify", "--independent", "--accept-processor-errors").code == 1
