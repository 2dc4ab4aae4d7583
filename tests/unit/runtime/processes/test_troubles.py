import pytest

from rtcdp.errors import RtcdpError
from rtcdp.runtime.processes.troubles import TroubleNote, trouble_of_processor
from rtcdp.runtime.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


def test_a_note_is_read_until_it_is_taken_away(settings):
    note = TroubleNote(settings)
    assert trouble_of_processor(settings) is None
    for said in ("the store is away", "the store is full"):
        note.write(said)
        assert trouble_of_processor(settings) == said
    note.take_away()
    assert trouble_of_processor(settings) is None


def test_the_note_of_a_processor_that_died_is_taken_away_by_the_next(settings):
    TroubleNote(settings).write_error(RtcdpError("no such column", "rename it back"))
    assert trouble_of_processor(settings) == "no such column; rename it back"
    TroubleNote(settings).take_away()
    assert trouble_of_processor(settings) is None


def test_an_error_of_no_name_is_told_as_it_is(settings):
    TroubleNote(settings).write_error(KeyError("n"))
    assert trouble_of_processor(settings) == "KeyError('n')"


def test_where_nothing_can_be_written_nothing_is_said(tmp_path):
    settings = Settings(data_dir=tmp_path / "absent")
    TroubleNote(settings).write("the store is away")
    assert trouble_of_processor(settings) is None
    assert not settings.data_dir.exists()
