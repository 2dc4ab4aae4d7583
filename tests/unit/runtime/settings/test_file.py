import pytest

from rtcdp.errors import PartMissing, UsageError
from rtcdp.runtime.settings.file import code_named_by, read_file

KNOWN = ("port", "catalog", "admission.dedup_window_ms", "spark.jars")


@pytest.fixture
def found(tmp_path):
    def read(text):
        path = tmp_path / "rtcdp.toml"
        path.write_text(text)
        return read_file(path, KNOWN)

    return read


def test_a_section_and_a_dotted_key_say_the_same(found):
    assert found("port = 1\n[admission]\ndedup_window_ms = 2") == {
        "port": 1,
        "admission.dedup_window_ms": 2,
    }
    assert found("admission.dedup_window_ms = 2") == {"admission.dedup_window_ms": 2}


@pytest.mark.parametrize("text", ["prot = 1", "[admission]\nwindow = 2", "port ="])
def test_what_is_no_setting_is_refused(found, text):
    with pytest.raises(UsageError):
        found(text)


def test_a_file_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(PartMissing, match="absent"):
        read_file(tmp_path / "absent.toml", KNOWN)


def test_catalogs_and_jars_are_code():
    named = {"catalog": "mine", "spark.jars": "a.jar"}
    assert code_named_by({**named, "port": 1}) == named
    assert code_named_by({"spark.jars": "", "catalog": None}) == {}
