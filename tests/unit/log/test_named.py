import json

import pytest

from rtcdp.log.named import is_of_user, names_user, spellings


@pytest.mark.parametrize("user", ["ada", "josé@example.org", 'a"b\\c', "用户"])
def test_an_id_is_found_however_json_spells_it(user):
    for ascii_only in (True, False):
        raw = json.dumps({"userId": user, "broken": ""}, ensure_ascii=ascii_only).encode()[:-3]
        assert names_user(raw, user)
        assert any(spelled in raw for spelled in spellings(user))


@pytest.mark.parametrize("raw", [b"adam", b"1ada", b"canada", b"ada_1", b"Ada", b""])
def test_a_part_of_a_word_is_nobody(raw):
    assert not names_user(raw, "ada")


@pytest.mark.parametrize(
    ("raw", "is_theirs"),
    [
        (b'{"userId":"ada"}', True),
        (b'{"userId":"bob","pageUrl":"/ada"}', False),
        (b'{"userId":7,"pageUrl":"/ada"}', True),
        (b'{"userId":"bob","pageUrl":"/ada"', True),
        (b"[" * 100_000 + b"ada", True),
        (b'["ada"]', True),
        (b"7", False),
    ],
)
def test_who_a_record_says_it_is_of_counts_before_who_is_named(raw, is_theirs):
    assert is_of_user(raw, "ada") == is_theirs
