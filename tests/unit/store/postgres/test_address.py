import pytest
from psycopg.conninfo import conninfo_to_dict

from rtcdp.errors import UsageError
from rtcdp.store.postgres.address import parse_address

URL = "postgresql://ada:s%3Dcret@db.example:5433/shop"


def test_the_schema_is_ours_and_the_rest_is_libpqs():
    address = parse_address(f"{URL}?sslmode=require&schema=my%20store&connect_timeout=3")
    assert address.schema == "my store"
    assert address.connect_timeout_s == 3
    options = conninfo_to_dict(address.conninfo)
    asked = ("user", "password", "host", "port", "dbname")
    assert [options[name] for name in asked] == ["ada", "s=cret", "db.example", "5433", "shop"]
    assert (options["sslmode"], options["application_name"]) == ("require", "rtcdp")
    assert "schema" not in options


def test_without_options_there_are_defaults_that_can_be_changed():
    address = parse_address(URL)
    assert (address.schema, address.connect_timeout_s) == ("public", 10)
    options = conninfo_to_dict(parse_address(f"{URL}?application_name=mine").conninfo)
    assert options["application_name"] == "mine"
    assert options["client_encoding"] == "UTF8"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "PostgreSQL at db.example:5433/shop"),
        ("postgresql:///shop", "PostgreSQL at this machine/shop"),
        ("postgresql://a:1,b:2/shop", "PostgreSQL at a,b:1,2/shop"),
    ],
)
def test_people_see_where_it_is(url, shown):
    assert parse_address(url).shown == shown


def test_nobody_sees_the_password():
    address = parse_address(URL)
    assert "cret" not in f"{address!r} {address.shown}"


@pytest.mark.parametrize(
    "url",
    [
        f"{URL}?colour=red",
        f"{URL}?schema=",
        f"{URL}?schema=pg_catalog",
        f"{URL}?schema={'x' * 64}",
        f"{URL}?schema=a%00b",
        f"{URL}?connect_timeout=soon",
        "postgresql://ada:s%cret@db/shop",
        "postgresql://ada:secret@[db/shop",
        "postgresql://ada:one?secret=two@db/shop",
    ],
)
def test_what_can_t_be_read_is_refused_without_repeating_the_password(url):
    with pytest.raises(UsageError) as refused:
        parse_address(url)
    assert refused.value.__cause__ is None
    assert "cret" not in f"{refused.value} {refused.value.hint}"


def test_no_limit_to_connecting_is_the_usual_limit():
    assert parse_address(f"{URL}?connect_timeout=0").connect_timeout_s == 10
