import pytest
from litestar import Request

from rtcdp.api.address import address_of, meant_address, path_of, text_in_path
from rtcdp.errors import BadRequest, NotThere


def request_of(path: bytes, query: bytes = b"") -> Request:
    return Request({"type": "http", "raw_path": path, "query_string": query, "headers": []})


def test_an_id_is_what_was_sent_between_the_ends_of_the_path():
    for sent, found in ((b"a%2Fb", "a/b"), ("ü".encode(), "ü"), (b"a%20b/c", "a b/c")):
        request = request_of(b"/api/users/" + sent + b"/events")
        assert text_in_path(request, "/api/users/", "/events", "user id") == found


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        (b"/api/users/a/pages", NotThere, "there is nothing at"),
        (b"/api/users//events", NotThere, "the user id is empty"),
        (b"/api/users/%FF/events", BadRequest, "not UTF-8"),
        (b"/api/users/\xff/events", BadRequest, "not UTF-8"),
        (b"/api/users/a%00/events", BadRequest, "no event has it"),
    ],
)
def test_other_paths_are_told_what_to_ask_for(path, error, said):
    with pytest.raises(error) as refused:
        text_in_path(request_of(path), "/api/users/", "/events", "user id")
    assert said in f"{refused.value} {refused.value.hint}"


def test_an_address_without_its_cursor():
    request = request_of(b"/api/users/a%2Fb?x", b"limit=3&cursor=abc&userId=%C3%BC")
    assert path_of(request) == "/api/users/a%2Fb"
    assert address_of(request) == "/api/users/a%2Fb?limit=3&userId=%C3%BC"


ADDRESSES = ("/", "/docs", "/v1/events", "/api/metrics", "/api/metrics/{name:str}", "/api/sessions")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/event", "/v1/events"),
        ("/api/Sesions", "/api/sessions"),
        ("/api/metric/orders", "/api/metrics/orders"),
        ("/apis/metrics/orders", "/api/metrics/orders"),
        ("/api/metrics/orders", None),
        ("/api/metrics/orders/more", None),
        ("/api/carts", None),
        ("/nowhere", None),
    ],
)
def test_a_mistyped_address_is_told_from_those_that_there_are(path, meant):
    assert meant_address(path, ADDRESSES) == meant
