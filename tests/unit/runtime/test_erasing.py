from rtcdp.runtime.erasing import Traced, find


def test_an_id_is_found_across_the_blocks_of_a_file_and_counted_once(tmp_path):
    for at in (2**20 - 5, 2**20 - 40, 2**20 - 1, 2**20, 0, 2**21 + 3):
        (tmp_path / "file").write_bytes(b" " * at + b"ada@x" + b" " * 2**20)
        assert list(find([tmp_path], "ada@x")) == [Traced(str(tmp_path / "file"), 1)]


def test_parts_of_words_are_not_found_and_what_lies_beside_a_database_is(tmp_path):
    (tmp_path / "store.db").write_bytes(b"canada adam")
    (tmp_path / "store.db-wal").write_bytes(b"\0ada\0")
    found = list(find([tmp_path / "store.db"], "ada"))
    assert found == [Traced(str(tmp_path / "store.db-wal"), 1)]
