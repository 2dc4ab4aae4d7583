from tests.unit.runtime.small_shop import count, settings_of, visit


def test_a_folder_alone_is_where_to_and_a_damaged_one_is_found_out(rtcdp, tmp_path):
    settings = settings_of(tmp_path / "rtcdp-data")
    visit(settings, "ada")
    count(settings)
    visit(settings, "bob")
    made = rtcdp("backup", "copy")
    assert made.code == 0, made.err
    assert "1 record counted by epoch 1, 1 more wait in its log" in made.out
    assert "as it was made" in rtcdp("backup", "verify", "copy").out
    assert "verify" in rtcdp("backup", "--help").out
    assert '"backup"' in (tmp_path / "rtcdp-data" / "audit.jsonl").read_text()
    (tmp_path / "copy" / "store.db").write_bytes(b"x")
    damaged = rtcdp("backup", "verify", "copy")
    assert (damaged.code, damaged.out) == (1, "")
    assert "store.db has 1 bytes" in damaged.err
    assert rtcdp("backup", "copy").code == 2
    assert rtcdp("backup", "again", "--data-dir", "none").code == 3
    assert not (tmp_path / "none").exists()
