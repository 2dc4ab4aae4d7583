"""A shop's past at once: where it goes, and what is said of it."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

PAST = ("--days", 3, "--users", 50, "--seed", 1)


@pytest.fixture
def past_of(rtcdp, tmp_path):
    """Writes a past into a file; gives its events."""

    def past_of(*flags: object) -> list[dict]:
        done = rtcdp("generate", "--out", "past.ndjson", *flags)
        assert done.code == 0, done.err
        return [json.loads(line) for line in (tmp_path / "past.ndjson").read_bytes().splitlines()]

    return past_of


def test_a_past_goes_into_the_data_folder_and_again_counts_nothing_twice(rtcdp):
    first = rtcdp("generate", *PAST, "--until", "2026-01-04")
    words = r"made ([\d,]+) events of 50 shoppers and a bot, 2026-01-01 00:00:00 to 2026-01-04"
    count = re.match(words, first.err)[1]
    assert first.err.endswith(f"; {count} taken by embedded:rtcdp-data/log\n")
    again = rtcdp("generate", *PAST, "--until", "2026-01-04")
    assert again.err.endswith(f"; 0 taken by embedded:rtcdp-data/log, {count} known already\n")
    assert rtcdp("process", "--once").code == 0
    counted = rtcdp("ledger", "--json").out
    totals = json.loads(counted)["totals"]
    assert totals["admitted"] == totals["duplicate"] == int(count.replace(",", ""))


def test_a_past_is_the_same_for_the_same_seed_and_end(past_of):
    past = past_of(*PAST, "--until", "2026-01-04T12:00:00Z")
    assert past == past_of(*PAST, "--until", "2026-01-04T12:00:00Z")
    assert past != past_of(*PAST, "--until", "2026-01-04T03:00:00Z")
    assert past[-1]["timestamp"] < "2026-01-04T12"


def test_a_past_ends_now_and_has_many_shoppers_unless_told_otherwise(past_of):
    now = datetime.now(UTC)
    past = past_of("--days", 3)
    assert len({event["userId"] for event in past}) > 1_000
    first, last = (datetime.fromisoformat(past[at]["timestamp"]) for at in (0, -1))
    assert (now - timedelta(days=2)).date() <= first.date() <= now.date()
    assert now - timedelta(hours=12) < last <= datetime.now(UTC)


@pytest.mark.parametrize(
    "flags",
    [
        ["--days", "0"],
        ["--days", "3", "--events", "5"],
        ["--days", "3", "--late", "0.1"],
        ["--days", "3", "--until", "yesterday"],
        ["--days", "3", "--until", "2999-01-01"],
        ["--until", "2026-01-01"],
    ],
)
def test_a_past_that_makes_no_sense_is_wrong_usage(rtcdp, flags, tmp_path):
    done = rtcdp("generate", *flags, "--out", "a")
    assert (done.code, "→" in done.err) == (2, True)
    assert not (tmp_path / "a").exists()
