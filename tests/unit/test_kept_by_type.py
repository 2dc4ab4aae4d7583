import pytest

from rtcdp.clock import DAY_MS
from rtcdp.errors import UsageError
from rtcdp.kept_by_type import kept_by_type


def test_types_are_named_with_their_days() -> None:
    assert kept_by_type("s", "") == {}
    kept = kept_by_type("s", " PAGE_VIEW=30, SEARCH = 0.5 ,")
    assert kept == {"PAGE_VIEW": 30 * DAY_MS, "SEARCH": DAY_MS // 2}


@pytest.mark.parametrize("text", ["PAGE_VIEW", "page=3", "A=0", "A=-1", "A=1,A=2", "A=1e3"])
def test_what_says_no_number_of_days_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a setting says"):
        kept_by_type("a setting", text)
