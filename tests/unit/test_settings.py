from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.errors import PartMissing, UsageError
from rtcdp.events.rules import AdmissionRules
from rtcdp.settings import (
    MEANINGS,
    Settings,
    all_settings,
    load,
    require_loopback,
    require_present,
    settings_page,
    unknown_variables,
)

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def wrote(text: str, name: str = "rtcdp.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def test_without_anything_said_the_defaults_hold():
    assert load({}, {}) == Settings()


def test_the_file_goes_over_the_defaults():
    wrote("port = 1\n[admission]\nallowed_lateness_ms = 7\n")
    assert load({}, {}).port == 1
    assert load({}, {}).admission == AdmissionRules(allowed_lateness_ms=7)


def test_the_environment_goes_over_the_file():
    wrote("port = 1\nrate = 5")
    settings = load({}, {"RTCDP_PORT": "2", "RTCDP_ADMISSION_ALLOWED_LATENESS_MS": "8"})
    assert (settings.port, settings.rate, settings.admission.allowed_lateness_ms) == (2, 5.0, 8)


def test_flags_go_over_the_environment():
    assert load({"port": 3, "host": None}, {"RTCDP_PORT": "2"}).port == 3


def test_another_file_can_be_named():
    wrote("port = 1")
    wrote("port = 4", "other.toml")
    assert load({}, {}, Path("other.toml")).port == 4
    assert load({}, {"RTCDP_CONFIG": "other.toml"}).port == 4


def test_paths_in_the_file_are_relative_to_it():
    Path("etc").mkdir()
    path = wrote('data_dir = "data"\nlog = "embedded:log"\nstore = "sqlite:/s.db"', "etc/a.toml")
    settings = load({}, {}, path)
    assert settings.data_dir == Path("etc/data")
    assert settings.log_directory == Path("etc/log")
    assert settings.store_file == Path("/s.db")


def test_log_and_store_lie_in_the_data_folder():
    settings = Settings(data_dir=Path("d"))
    assert settings.log_directory == Path("d/log")
    assert settings.store_file == Path("d/store.db")


@pytest.mark.parametrize(
    ("text", "named", "hint"),
    [
        ("prot = 1", "prot", "port"),
        ("[admission]\nlateness = 1", "admission.lateness", "allowed_lateness_ms"),
        ("[admision]\nx = 1", "admision", "[admission]"),
        ("port = 'x'", "port in rtcdp.toml is 'x'", "a whole number"),
        ("port = true", "port in rtcdp.toml is True", "a whole number"),
        ("port = 70000", "port is 70000", "at most 65535"),
        ("rate = 0", "rate is 0", "more than 0"),
        ("rate = nan", "rate is nan", "more than 0"),
        ("engine = 'flink'", "'flink'", "native, spark"),
        ("log = 'file:x'", "'file:x'", "embedded:DIR"),
        ("store = 'sqlite:'", "'sqlite:'", "sqlite:FILE"),
        ("log_retention.min_age_ms = 5", "log_retention.min_age_ms is 5", "keep records"),
        ("collector.dedup_window_ms = 5", "collector.dedup_window_ms", "max_body_bytes"),
        ("port =", "not TOML", "line"),
    ],
)
def test_a_mistake_is_named_together_with_what_is_allowed(text, named, hint):
    wrote(text)
    with pytest.raises(UsageError) as caught:
        load({}, {})
    assert named in str(caught.value)
    assert hint in caught.value.hint


def test_a_bad_variable_is_named():
    with pytest.raises(UsageError, match=r"RTCDP_PORT is 'tcp://10\.0\.0\.1:80'"):
        load({}, {"RTCDP_PORT": "tcp://10.0.0.1:80"})


def test_a_file_that_was_named_must_be_there():
    with pytest.raises(PartMissing, match=r"absent\.toml"):
        load({}, {}, Path("absent.toml"))


def test_variables_that_look_like_settings_are_found():
    environment = {"RTCDP_STROE": "x", "RTCDP_STORE": "sqlite:x", "PATH": "", "RTCDP_CONFIG": "f"}
    assert unknown_variables(environment) == ["RTCDP_STROE"]


def test_parts_of_later_versions_are_missing_parts():
    with pytest.raises(PartMissing, match="kafka"):
        _ = Settings(log="kafka://h:1/t").log_directory
    with pytest.raises(PartMissing, match="mongodb"):
        _ = Settings(store="mongodb://h/d").store_file


def test_an_installation_of_this_version_is_all_there():
    require_present(Settings())
    for later in (
        Settings(engine="spark"),
        Settings(log="kafka://h:1/t"),
        Settings(store="mongodb://h/d"),
    ):
        with pytest.raises(PartMissing, match="not part of this version"):
            require_present(later)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_is_open(host):
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])  # noqa: S104
def test_other_addresses_are_refused_as_long_as_there_are_no_keys(host):
    with pytest.raises(UsageError, match="API keys are not part of this version yet") as caught:
        require_loopback(host)
    assert "proxy" in caught.value.hint


def test_the_collector_forgets_ids_when_admission_does():
    rules = AdmissionRules(dedup_window_ms=9)
    settings = replace(Settings(), admission=rules)
    assert settings.collector_limits.dedup_window_ms == 9


def test_every_setting_is_described_and_nothing_else():
    assert [setting.key for setting in all_settings()] == list(MEANINGS)


def test_the_page_of_settings_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == settings_page()
