from dataclasses import replace
from pathlib import Path
from secrets import token_bytes

import pytest

from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish
from rtcdp.access.rules import AccessRules
from rtcdp.admission.rules import AdmissionRules
from rtcdp.errors import PartMissing, UsageError
from rtcdp.runtime.settings import (
    MEANINGS,
    Settings,
    all_settings,
    load,
    load_with_origins,
    require_loopback,
    require_present,
    unknown_variables,
    without_password,
)


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
    assert settings.log_path == Path("etc/log")
    assert settings.store_path == Path("/s.db")


def test_log_and_store_lie_in_the_data_folder():
    settings = Settings(data_dir=Path("d"))
    assert settings.log_path == Path("d/log")
    assert settings.store_path == Path("d/store.db")


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
        ("log_retention.max_age_ms = 5", "log_retention.max_age_ms is 5", "keep records"),
        ("store_retention.uncounted_ms = 5", "store_retention.uncounted_ms is 5", "keep records"),
        (
            "store_retention.uncounted_ms = 86_400_000",
            "less than log_retention.max_age_ms",
            "keep verdicts",
        ),
        ("admission.dedup_window_ms = 10_000_000_000_000", "dedup_window_ms", "at most"),
        ("processor.lease_ttl_s = 1.5", "may take a second", "give 3 or more"),
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


def test_what_an_installation_is_made_of_follows_from_its_urls():
    settings = Settings(log="kafka://h:1/t", store="mongodb://h/d")
    assert (settings.log_kind, settings.store_kind) == ("kafka", "mongodb")
    assert (Settings().log_kind, Settings().store_kind) == ("embedded", "sqlite")


def test_a_part_whose_library_is_absent_says_how_to_get_it(monkeypatch):
    require_present(Settings())
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    require_present(Settings())
    for settings, extra in (
        (Settings(log="kafka://h:1/t"), "kafka"),
        (Settings(store="mongodb://h/d"), "mongo"),
        (Settings(store="postgresql://h/d"), "postgres"),
    ):
        with pytest.raises(PartMissing, match="is not installed") as caught:
            require_present(settings)
        assert f"rtcdp[{extra}]" in caught.value.hint


def test_spark_needs_kafka():
    with pytest.raises(UsageError, match="spark reads Kafka") as caught:
        require_present(Settings(engine="spark"))
    assert "--log kafka://" in caught.value.hint


def test_a_url_is_shown_without_its_password():
    assert without_password("postgresql://ada:s3cret@h/d") == "postgresql://ada:…@h/d"
    assert without_password("kafka://h:1/t") == "kafka://h:1/t"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_is_open(host):
    require_loopback(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])  # noqa: S104
def test_other_addresses_are_refused_as_long_as_there_are_no_keys(host, tmp_path):
    settings = Settings(host=host, data_dir=tmp_path)
    with pytest.raises(UsageError, match="without a key") as caught:
        require_loopback(settings)
    assert "rtcdp keys create" in caught.value.hint
    assert "--trust-network" in caught.value.hint
    wish = KeyWish("me", ("admin",))
    change_keys(keys_path(tmp_path), lambda ring: ring.with_new(wish, 0, token_bytes))
    require_loopback(settings)
    assert settings.door.is_open_to_network


def test_who_takes_tokens_needs_no_keys_of_its_own():
    access = AccessRules(jwks="keys.json", jwt_audience="rtcdp", jwt_issuer="login")
    require_loopback(Settings(host="0.0.0.0", access=access))  # noqa: S104


def test_a_trusted_network_is_let_in():
    require_loopback(Settings(host="0.0.0.0", trust_network=True))  # noqa: S104


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("FALSE", False)])
def test_a_variable_says_yes_or_no(text, value):
    assert load({}, {"RTCDP_TRUST_NETWORK": text}).trust_network is value


def test_a_variable_that_says_neither_yes_nor_no_is_named():
    with pytest.raises(UsageError, match="RTCDP_TRUST_NETWORK is 'maybe'") as caught:
        load({}, {"RTCDP_TRUST_NETWORK": "maybe"})
    assert "true or false" in caught.value.hint


def test_the_collector_goes_by_the_rules_of_admission():
    rules = AdmissionRules(7, 8, 9)
    limits = replace(Settings(), admission=rules).collector_limits
    assert limits.max_clock_skew_ms == 7
    assert limits.allowed_lateness_ms == 8
    assert limits.dedup_window_ms == 9


def test_every_setting_is_described_and_nothing_else():
    assert [setting.key for setting in all_settings()] == list(MEANINGS)


@pytest.mark.parametrize("said", ['catalog = "mine"', '[spark]\njars = "evil.jar"'])
def test_code_is_not_taken_from_a_file_that_was_just_found(said):
    wrote(said)
    with pytest.raises(UsageError, match="names code to run") as refused:
        load({}, {})
    assert "--config rtcdp.toml" in refused.value.hint


@pytest.mark.parametrize(
    ("flags", "environment", "config"),
    [
        ({}, {}, Path("rtcdp.toml")),
        ({}, {"RTCDP_CONFIG": "rtcdp.toml"}, None),
        ({}, {"RTCDP_CATALOG": "mine"}, None),
        ({"catalog": Path("mine")}, {}, None),
    ],
)
def test_code_is_taken_from_whatever_was_named(flags, environment, config):
    wrote('catalog = "mine"')
    assert load(flags, environment, config).catalog == Path("mine")


def test_whoever_is_asked_may_allow_the_code():
    wrote('catalog = "mine"')
    asked = []

    def confirm(refusal):
        asked.append(str(refusal))
        return True

    assert load_with_origins({}, {}, None, confirm).settings.catalog == Path("mine")
    assert "catalog = mine" in asked[0]


def test_every_setting_says_where_it_comes_from():
    wrote("port = 1\nrate = 5\nusers = 6")
    loaded = load_with_origins({"port": 2}, {"RTCDP_RATE": "7"}, None, lambda _: False)
    assert loaded.origins == {"port": "--port", "rate": "RTCDP_RATE", "users": "rtcdp.toml"}
