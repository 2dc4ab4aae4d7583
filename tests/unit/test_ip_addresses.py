import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.errors import UsageError
from rtcdp.ip_addresses import PrivacyRules, shortened, shortener


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("192.0.2.217", "192.0.2.0"),
        ("2001:db8:1234:5678::9", "2001:db8:1234::"),
        ("::ffff:192.0.2.217", "192.0.2.0"),
        ("fe80::1%eth0", "fe80::"),
        ("198.51.100.7, 2001:db8:1:2::3,unknown", "198.51.100.0, 2001:db8:1::,unknown"),
        ("192.0.2.217:443", "192.0.2.0:443"),
        ("[2001:db8:1:2::3]:443", "[2001:db8:1::]:443"),
        ("[2001:db8:1:2::3]", "[2001:db8:1::]"),
        ("for=192.0.2.217;proto=https", "for=192.0.2.0;proto=https"),
        (
            'For="[2001:db8:cafe::17]:4711", for="192.0.2.217:443";by=_x',
            'For="[2001:db8:cafe::]:4711", for="192.0.2.0:443";by=_x',
        ),
        ("192.0.2.217/32|2001:db8:1:2::3/64", "192.0.2.0/32|2001:db8:1::/64"),
        ("(192.0.2.217) http://192.0.2.217:80/a", "(192.0.2.0) http://192.0.2.0:80/a"),
        ("192.0.2.217\u200b\u00a0192.0.2.217.", "192.0.2.0\u200b\u00a0192.0.2.0."),
        ("192.168.001.010 127.000.000.001", "192.168.001.0 127.000.000.001"),
        ("192.0.2.256 1.2.3.4.5", "192.0.2.256 1.2.3.4.5"),
        ("v1.2.3.4 00192.0.2.217", "v1.2.3.4 00192.0.2.217"),
        (" 192.0.2.217 , host-a, 198.51.100.7:80", " 192.0.2.0 , host-a, 198.51.100.0:80"),
        ("fe80::1%eth0-1", "fe80::"),
        ("2002:c000:2d9::1", "2002:c000:200::"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("ada", "ada"),
        ("1.2.3", "1.2.3"),
        ("", ""),
    ],
)
def test_the_last_part_of_an_address_goes(whole, short):
    assert shortened(whole) == short


LINE = (
    '{"userId":"192.0.2.9","properties":{"ip" : "192.0.2.9","ua":"\\"ip\\":\\"192.0.2.9\\"",'
    '"context":{"ip":"2001:db8:1:2::3"},"skip":"192.0.2.9","tip":"192.0.2.9"},"n":1.50}\n'
)


def test_only_members_that_were_named_change_and_no_other_byte():
    said = LINE.replace('"ip" : "192.0.2.9"', '"ip" : "192.0.2.0"')
    assert shortener(("ip",))(LINE.encode()).decode() == said.replace(":1:2::3", ":1::")
    assert shortener(("userId",))(LINE.encode()).decode() == LINE.replace(".9", ".0", 1)
    listed = b'{"ip":"198.51.100.7, 2001:db8:1:2::3","i.":"127.0.0.1","at":"::ffff:192.0.2.9"}'
    short = b'{"ip":"198.51.100.0, 2001:db8:1::","i.":"127.0.0.1","at":"192.0.2.0"}'
    assert shortener(("ip", "i.", "at"))(listed) == short
    assert shortener(("i.",))(LINE.encode()).decode() == LINE


def test_arrays_and_long_lists_and_escaped_texts_are_shortened():
    shorten = shortener(("ip",))
    array = b'{"ip" : ["192.0.2.9", null, 7,"a\\"[","198.51.100.7:80"],"n":["192.0.2.9"]}'
    short = array.replace(b'2.9", null', b'2.0", null').replace(b".7:80", b".0:80")
    assert shorten(array) == short
    long = ", ".join(["192.0.2.9"] * 500)
    assert json.loads(shorten(json.dumps({"ip": long}).encode()))["ip"] == long.replace(".9", ".0")
    assert (
        json.loads(shorten(b'{"ip":"192.0.2.9\\t198.51.100.7"}'))["ip"] == "192.0.2.0\t198.51.100.0"
    )
    assert json.loads(shorten(rb'{"ip":"192\u002e0\u002e2\u002e9"}'))["ip"] == "192.0.2.0"
    forwarded = json.dumps({"ip": 'for="[2001:db8:cafe::17]"'}).encode()
    assert shorten(forwarded) == forwarded.replace(b"::17", b"::")
    spaced = '{"ip":"192.0.2.9\u00a0\u2028"}'.encode()
    assert shorten(spaced) == spaced.replace(b"2.9", b"2.0")


texts = st.text(max_size=12) | st.sampled_from(['"ip":"192.0.2.9"', "ip", "\\", '\\"', "192.0.2.9"])
values = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def changed(value, name=""):
    if isinstance(value, dict):
        return {key: changed(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        is_flat = not any(isinstance(inner, dict | list) for inner in value)
        return [changed(inner, name if is_flat else "") for inner in value]
    return shortened(value) if name == "ip" and isinstance(value, str) else value


@given(values, st.booleans())
def test_whatever_stands_around_it_stays_json_and_means_the_same(value, is_ascii):
    line = json.dumps({"ip": "192.0.2.9", "inner": value}, ensure_ascii=is_ascii)
    short = json.loads(shortener(("ip",))(line.encode("utf-8", "surrogatepass")))
    assert short == changed(json.loads(line))


@pytest.mark.parametrize("names", ['"', "a b", "ip,né", "x" * 101])
def test_what_is_no_name_is_refused(names):
    with pytest.raises(UsageError, match="shortened_addresses"):
        PrivacyRules(names)
    assert PrivacyRules(" ip, userId,").names == ("ip", "userId")
