"""One setting: its names, and what it takes."""

from pathlib import Path

import pytest

from rtcdp.errors import UsageError
from rtcdp.runtime.settings.setting import Setting, checked_type, from_text


def test_a_setting_is_called_alike_everywhere() -> None:
    setting = Setting("access.key_requests_per_s", int, 0, "")
    assert setting.variable == "RTCDP_ACCESS_KEY_REQUESTS_PER_S"
    assert Setting("log_format", str, "", "").flag == "--log-format"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (bool, "TRUE", True),
        (int, "7", 7),
        (float, "7", 7.0),
        (str, "7", "7"),
        (Path | None, "a", Path("a")),
    ],
)
def test_a_variable_is_read_as_what_the_setting_takes(kind, text, value) -> None:
    assert from_text(Setting("port", kind, None, ""), text) == value


@pytest.mark.parametrize(("kind", "text"), [(bool, "yes"), (int, "7.5"), (Path | None, "")])
def test_what_it_does_not_take_is_refused_by_the_variables_name(kind, text) -> None:
    with pytest.raises(UsageError, match="RTCDP_PORT"):
        from_text(Setting("port", kind, None, ""), text)


def test_a_number_is_no_text() -> None:
    with pytest.raises(UsageError, match="the file") as caught:
        checked_type(Setting("log", str, "", ""), 7, "the file")
    assert caught.value.hint == "give a text"
