import json

import pytest

from rtcdp.log.named import names_user, spellings


@pytest.mark.parametrize("user", ["ada", "josé@example.org", 'a"b\\c', "用户"])
def test_an_id_is_found_however_json_spells_it(user):
    for ascii_only in (True, False):
        raw = json.dumps({"userId": user, "broken": ""}, ensure_ascii=ascii_only).encode()[:-3]
        assert names_user(raw, user)
        assert any(spelled in raw for spelled in spellings(user))


@pytest.mark.parametrize("raw", [b"adam", b"1ada", b"canada", b"ada_1", b"Ada", b""])
def test_a_part_of_a_word_is_nobody(raw):
    assert not names_user(raw, "ada")
