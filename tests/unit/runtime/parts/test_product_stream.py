"""Where the second stream of an installation rests."""

from pathlib import Path

import pytest

from rtcdp.runtime.parts.product_stream import product_log_url
from rtcdp.runtime.settings import Settings


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", "embedded:data/log/product_updates"),
        ("embedded:/a/b", "embedded:/a/b/product_updates"),
        ("kafka://h:9092/raw_customer_events", "kafka://h:9092/product_updates"),
        ("kafka://u:p@h:1,i:2/mine?x=y", "kafka://u:p@h:1,i:2/mine.product_updates?x=y"),
    ],
)
def test_it_is_beside_the_log_of_events(log: str, expected: str) -> None:
    assert product_log_url(Settings(data_dir=Path("data"), log=log)) == expected
