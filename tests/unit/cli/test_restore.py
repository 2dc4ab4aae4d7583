from tests.unit.runtime.small_shop import count, settings_of, visit


def test_what_is_brought_back_is_checked_and_who_is_unknown_is_said(rtcdp, tmp_path):
    settings = settings_of(tmp_path / "rtcdp-data")
    visit(settings, "ada", "bob")
    count(settings)
    assert rtcdp("backup", "copy").code == 0
    assert rtcdp("users", "erase", "ada", "--yes", "--folds", "none").code == 0
    where = ("--data-dir", "new", "--folds", "none")
    restored = rtcdp("restore", "copy", *where)
    assert restored.code == 0, restored.err
    assert "1 users were erased since it was made: 1 of them had something in it" in restored.out
    assert "the backup itself still holds them" in restored.out
    assert "no difference: " in restored.out
    settings.data_dir.rename(tmp_path / "elsewhere")
    unknown = rtcdp("restore", "copy", "--quick", "--data-dir", "other", "--folds", "none")
    assert "nobody knows here who was erased since" in unknown.out
    assert "the counts add up" in unknown.out
    assert rtcdp("restore", "copy", *where).code == 2
