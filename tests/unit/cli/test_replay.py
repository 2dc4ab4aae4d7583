import gzip
import os
import signal
import stat

import pytest


def test_a_file_goes_into_an_empty_data_folder_and_is_counted(rtcdp, events):
    done = rtcdp("replay", events)
    assert (done.code, done.out) == (
        0,
        "read 3 records: 2 events, 1 other\n"
        f"  1 × line 3 of {events}: the line is 'nonsense', expected an event as JSON\n"
        "received 3 = admitted 2 + duplicate 0 + late 0 + dead letter 1 ✓\n",
    )


def test_the_same_file_again_is_known_by_what_it_holds(rtcdp, events):
    rtcdp("replay", events)
    packed = events.with_name("other.gz")
    packed.write_bytes(gzip.compress(events.read_bytes()))
    for file in (events, packed):
        said = rtcdp("replay", file).out
        assert "3 lines were imported before and are not sent again" in said
        assert "received 0 = " in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_in_the_log_when_it_is_stopped_is_told(rtcdp, events, interrupted, number):
    interrupted(number)
    done = rtcdp("replay", events)
    assert "received 0 = " in done.out
    assert done.out.endswith(
        "stopped early: the files may hold more\n"
        "3 records in the log are not counted yet: rtcdp process --once counts them\n"
    )


def test_who_insists_gets_duplicates_as_long_as_ids_are_known(rtcdp, events):
    rtcdp("replay", events)
    assert "received 3 = admitted 0 + duplicate 2" in rtcdp("replay", events, "--again").out


def test_events_of_another_source_are_others(rtcdp, events):
    rtcdp("replay", events)
    assert "admitted 2 + duplicate 0" in rtcdp("replay", events, "--source", "shop").out


@pytest.mark.parametrize("stream", ["events", "products"])
def test_what_is_no_name_of_a_source_is_wrong_usage(rtcdp, events, tmp_path, stream):
    done = rtcdp("replay", events, "--source", "Bad!", "--stream", stream)
    assert (done.code, "shop-eu" in done.err) == (2, True)
    assert not (tmp_path / "rtcdp-data").exists()


def test_a_mapping_that_is_not_there_is_wrong_usage(rtcdp, events):
    done = rtcdp("replay", events, "--mapping", "nope")
    assert (done.code, "there is no mapping 'nope'" in done.err) == (2, True)


def test_times_that_are_seconds_by_all_looks_are_remarked_on(rtcdp, events, tmp_path):
    seconds = tmp_path / "seconds.ndjson"
    seconds.write_text('{"userId":"a","timestamp":1767225600,"eventType":"PAGE_VIEW"}\n' * 2)
    done = rtcdp("replay", seconds)
    assert (done.code, "are its times seconds?" in done.err) == (0, True)
    assert "seconds?" not in rtcdp("replay", events).err


@pytest.mark.parametrize("name", ["absent.ndjson", "visits.csv", "pipe"])
def test_what_can_t_be_replayed_leaves_no_data_folder_behind(rtcdp, tmp_path, name):
    """A pipe could be read once, and its first lines are looked at before anything is sent."""
    (tmp_path / "visits.csv").write_text("when;who\n1;ada\n")
    os.mkfifo(tmp_path / "pipe")
    done = rtcdp("replay", name)
    assert done.code == (3 if name == "absent.ndjson" else 2)
    assert name in done.err
    assert not (tmp_path / "rtcdp-data").exists()


def test_where_nobody_listens_a_part_is_missing(rtcdp, events):
    done = rtcdp("replay", events, "--to", "http://127.0.0.1:9")
    assert (done.code, "127.0.0.1:9" in done.err) == (3, True)


def test_a_damaged_file_is_named_and_ends_with_1(rtcdp, events, tmp_path):
    torn = tmp_path / "torn.ndjson.gz"
    torn.write_bytes(gzip.compress(events.read_bytes() * 2000)[:-40])
    done = rtcdp("replay", torn)
    assert (done.code, "torn.ndjson.gz is damaged" in done.out) == (1, True)
    assert "received" in done.out


def test_a_name_of_a_file_is_no_markup_and_steers_nothing(rtcdp, events, tmp_path):
    torn = tmp_path / "[bold]\x1b[2Jtorn\n.gz"
    torn.write_bytes(gzip.compress(events.read_bytes() * 2000)[:-40])
    said = rtcdp("replay", torn).out
    assert "[bold]\\x1b[2Jtorn\\n.gz is damaged" in said
    assert "\x1b" not in said


def test_what_it_makes_is_for_its_owner_alone(rtcdp, events, tmp_path):
    before = os.umask(0)
    try:
        store = tmp_path / "deep" / "er" / "store.db"
        rtcdp("replay", events, "--data-dir", "a/b", "--store", f"sqlite:{store}")
        rtcdp("generate", "--events", 3, "--out", "visits.ndjson")
    finally:
        os.umask(before)
    made = [*(tmp_path / "a").rglob("*"), *(tmp_path / "deep").rglob("*")]
    made += [tmp_path / name for name in ("a", "deep", "visits.ndjson")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made}
    assert len(modes) > 8
    assert {p: oct(m) for p, m in modes.items() if m != (0o700 if p.is_dir() else 0o600)} == {}


def test_product_updates_go_into_a_stream_of_their_own(rtcdp, tmp_path):
    file = tmp_path / "products.ndjson"
    file.write_bytes(b'{"productId":"p","category":"A"}\n\n{"productId":7}\n')
    done = rtcdp("replay", "--stream", "products", file)
    assert (done.code, done.out) == (
        0,
        "read 2 product updates: 1 taken, 1 refused (rtcdp keeps them, with the reasons)\n",
    )
    for wrong in (["--stream", "others"], ["--stream", "products", "--speed", "2x"]):
        assert rtcdp("replay", *wrong, file).code == 2
    assert rtcdp("replay", "--stream", "products", tmp_path / "absent").code == 3
