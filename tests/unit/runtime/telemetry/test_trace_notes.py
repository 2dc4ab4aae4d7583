"""Notes of traces beside a log."""

from pathlib import Path

from rtcdp.runtime.telemetry.trace_notes import MAX_BYTES, NOTES, Note, NoteReader, write_notes

TRACE = f"00-{1:032x}-{2:016x}-01"


def test_notes_come_once_and_in_their_order(tmp_path: Path) -> None:
    reader = NoteReader(tmp_path)
    assert reader.new() == []
    notes = [Note(0, 5 * n, 5 * n + 5, TRACE) for n in range(3)]
    write_notes(tmp_path, notes[:2])
    assert reader.new() == notes[:2]
    write_notes(tmp_path, notes[2:])
    assert (reader.new(), reader.new()) == (notes[2:], [])
    assert (tmp_path / NOTES).stat().st_mode & 0o777 == 0o600


def test_a_long_file_begins_anew_and_is_followed(tmp_path: Path) -> None:
    reader = NoteReader(tmp_path)
    many = [Note(0, n, n + 1, TRACE) for n in range(MAX_BYTES // 60)]
    write_notes(tmp_path, many)
    assert not (tmp_path / NOTES).exists()
    write_notes(tmp_path, many[:1])
    assert reader.new() == many[:1]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3 * MAX_BYTES


def test_what_came_between_the_last_look_and_the_turn_is_read(tmp_path: Path) -> None:
    reader = NoteReader(tmp_path)
    notes = [Note(0, n, n + 1, TRACE) for n in range(MAX_BYTES // 60 + 2)]
    write_notes(tmp_path, notes[:1])
    assert reader.new() == notes[:1]
    write_notes(tmp_path, notes[1:-1])
    assert not (tmp_path / NOTES).exists()
    write_notes(tmp_path, notes[-1:])
    assert (reader.new(), reader.new()) == (notes[1:], [])


def test_what_is_damaged_or_half_is_passed_over(tmp_path: Path) -> None:
    reader = NoteReader(tmp_path)
    whole = f"0 1 2 {TRACE}"
    (tmp_path / NOTES).write_bytes(f"what\n0 x 2 {TRACE}\n{whole}\n0 2".encode() + b"\xff")
    assert reader.new() == [Note(0, 1, 2, TRACE)]


def test_a_log_that_is_not_there_is_nobodys_error(tmp_path: Path) -> None:
    write_notes(tmp_path / "none", [Note(0, 1, 2, TRACE)])
    assert NoteReader(tmp_path / "none").new() == []
