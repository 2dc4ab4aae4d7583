import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest


@pytest.fixture
def made(rtcdp, tmp_path):
    """Writes events into a file; gives them, or the raw lines of those that are none."""

    def made(*flags: object) -> list[dict]:
        done = rtcdp("generate", "--out", "made.ndjson", *flags)
        assert done.code == 0, done.err
        lines = (tmp_path / "made.ndjson").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    return made


def test_a_file_gets_as_many_events_as_were_asked_for(rtcdp, tmp_path):
    done = rtcdp("generate", "--events", 50, "--out", "visits.ndjson.gz")
    assert len(gzip.decompress((tmp_path / "visits.ndjson.gz").read_bytes()).splitlines()) == 50
    assert (done.code, done.out) == (0, "")
    assert done.err == "made 50 events (50 good), written to visits.ndjson.gz\n"


def test_standard_output_gets_nothing_else(rtcdp):
    done = rtcdp("generate", "--events", 30, "--out", "-")
    assert all(json.loads(line)["userId"] for line in done.out.splitlines())
    assert len(done.out.splitlines()) == 30
    assert done.err == "made 30 events (30 good), written to standard output\n"


def test_a_recording_ends_now_and_is_as_long_as_the_rate_says(made):
    events = made("--rate", 10, "--duration", 3)
    assert len(events) == 30
    times = [datetime.fromisoformat(event["timestamp"]) for event in events]
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(seconds=0.1)}


def test_the_same_seed_makes_the_same_visits(made):
    def visits(seed: int) -> list[tuple[str, str]]:
        return [(e["userId"], e["eventType"]) for e in made("--events", 60, "--seed", seed)]

    assert visits(1) == visits(1)
    assert visits(1) != visits(2)


def test_there_are_as_many_users_as_were_asked_for(made):
    events = made("--events", 400, "--users", 2)
    assert len({event["userId"] for event in events}) == 2


def test_flaws_are_made_to_their_share_and_told(rtcdp):
    flags = ("--duplicates", 0.1, "--late", 0.2, "--malformed", 0.3)
    done = rtcdp("generate", "--events", 1000, "--out", "a", *flags)
    counts = [int(count) for count in re.findall(r"(\d+) [a-z]+[,)]", done.err)]
    assert sum(counts) == 1000
    assert counts == pytest.approx([400, 100, 200, 300], abs=9)


def test_late_is_what_the_settings_call_so(made, monkeypatch):
    monkeypatch.setenv("RTCDP_ADMISSION_ALLOWED_LATENESS_MS", str(7 * 86_400_000))
    (event,) = made("--events", 1, "--late", 1)
    happened = datetime.fromisoformat(event["timestamp"])
    assert happened < datetime.now(UTC) - timedelta(days=7)


def test_times_can_be_out_of_order(made):
    times = [event["timestamp"] for event in made("--events", 200, "--disorder", 30)]
    assert times != sorted(times)


def test_one_user_can_make_most_of_it(made):
    users = [event["userId"] for event in made("--events", 200, "--hot-user", 0.9, "--users", 50)]
    assert max(map(users.count, set(users))) >= 180


def test_ids_can_be_left_out(made):
    assert not any("eventId" in event for event in made("--events", 20, "--without-ids", 1))


@pytest.mark.parametrize(
    "flags",
    [
        ["--to", "nowhere"],
        ["--to", "http://127.0.0.1:9", "--out", "a"],
        ["--events", "-1", "--out", "a"],
        ["--duration", "-1", "--out", "a"],
        ["--late", "1.5", "--out", "a"],
        ["--late", "0.6", "--malformed", "0.6", "--out", "a"],
        ["--rate", "0", "--out", "a"],
    ],
)
def test_what_makes_no_sense_is_wrong_usage(rtcdp, flags, tmp_path):
    done = rtcdp("generate", *flags)
    assert (done.code, "→" in done.err) == (2, True)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["nowhere/a", "full"])
def test_a_file_that_can_not_be_written_ends_with_3(rtcdp, tmp_path, name):
    (tmp_path / "full").symlink_to("/dev/full")
    done = rtcdp("generate", "--events", 10, "--out", name)
    assert (done.code, f"{name} can't be written" in done.err, "→" in done.err) == (3, True, True)


def test_the_help_is_grouped(rtcdp):
    text = rtcdp("generate", "--help").out
    panels = {"Output": "--out", "How much": "--rate", "Dials": "--late", "Settings": "--data-dir"}
    places = [text.index(word) for panel, flag in panels.items() for word in (f"─ {panel} ─", flag)]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["shop.csv", "shop.PARQUET", "shop.zip"])
def test_a_file_whose_name_says_another_format_is_not_written(rtcdp, tmp_path, name):
    done = rtcdp("generate", "--events", 1, "--out", name)
    assert done.code == 2
    assert f"--out writes NDJSON, and {name} says something else" in done.err
    assert "call it shop.ndjson" in done.err
    assert not (tmp_path / name).exists()


def test_the_shop_s_products_are_written_alone(rtcdp, tmp_path):
    file = tmp_path / "products.ndjson"
    done = rtcdp("generate", "--products", "--out", file)
    assert done.code == 0
    assert len(file.read_text().splitlines()) == 128
    assert rtcdp("generate", "--products", "--events", "3", "--out", file).code == 2
    assert rtcdp("generate", "--products", "--to", "kafka://h:1/t").code == 2
