import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.errors import UsageError
from rtcdp.ip_addresses import PrivacyRules
from rtcdp.runtime.parts.kept_by_type import kept_by_type_of
from rtcdp.runtime.settings import Settings

FOLDS = load_folds()


def _settings(days: str, log: str = "") -> Settings:
    return Settings(log=log, privacy=PrivacyRules(kept_days=days))


def test_what_nothing_open_looks_back_on_may_go() -> None:
    assert kept_by_type_of(_settings(""), FOLDS) is None
    kept = kept_by_type_of(_settings("PAGE_VIEW=8"), FOLDS)
    assert kept is not None
    assert kept.kept_ms == {"PAGE_VIEW": 8 * 86_400_000}


def test_less_than_that_is_refused_with_the_figure() -> None:
    with pytest.raises(UsageError, match="less than what shop_funnel may") as refused:
        kept_by_type_of(_settings("PAGE_VIEW=7, SEARCH=30"), FOLDS)
    assert "7.0" in refused.value.hint or "7.1" in refused.value.hint
    with pytest.raises(UsageError, match="ids may come again"):
        kept_by_type_of(_settings("PAGE_VIEW=0.01"), ())


def test_a_topic_can_t_let_go_of_single_records() -> None:
    with pytest.raises(UsageError, match="the log is kafka's"):
        kept_by_type_of(_settings("PAGE_VIEW=30", "kafka://localhost:9092/events"), FOLDS)
