import pytest

from rtcdp.errors import RtcdpError, UsageError
from rtcdp.store import RowsRefused, StateMismatch, StoreForbidden, StoreUnavailable
from rtcdp.store.postgres.errors import StoreLocked, error_of, error_while_connecting


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("08006", StoreUnavailable),
        ("25006", StoreUnavailable),
        ("25P03", StoreUnavailable),
        ("40001", StoreUnavailable),
        ("40P01", StoreUnavailable),
        ("53100", StoreUnavailable),
        ("53300", StoreUnavailable),
        ("55P03", StoreLocked),
        ("57014", StoreUnavailable),
        ("57P01", StoreUnavailable),
        ("57P03", StoreUnavailable),
        ("0A000", StoreUnavailable),
        ("22003", RowsRefused),
        ("22021", RowsRefused),
        ("23502", RowsRefused),
        ("54000", RowsRefused),
        ("28P01", StoreForbidden),
        ("42501", StoreForbidden),
        ("3D000", StoreForbidden),
        ("42P07", UsageError),
        ("42P01", StateMismatch),
        ("42703", StateMismatch),
    ],
)
def test_each_code_has_its_meaning_and_a_hint(code, kind):
    error = error_of(code, "it says why", "PostgreSQL at h/d")
    assert type(error) is kind
    assert str(error) == "PostgreSQL at h/d: it says why"
    assert error.hint


def test_a_lost_connection_has_no_code():
    error = error_of(None, "server closed the connection\n\tunexpectedly\n", "here")
    assert type(error) is StoreUnavailable
    assert str(error) == "here: server closed the connection unexpectedly"


def test_what_nobody_expects_is_a_defect_and_is_told_with_its_code():
    error = error_of("42601", "syntax error", "here")
    assert type(error) is RtcdpError
    assert "42601" in str(error)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ('FATAL:  password authentication failed for user "ada"', StoreForbidden),
        ("fe_sendauth: no password supplied", StoreForbidden),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', StoreForbidden),
        ('FATAL:  role "ada" is not permitted to log in', StoreForbidden),
        ('FATAL:  role "ada" does not exist', StoreForbidden),
        ('FATAL:  database "shop" does not exist', StoreForbidden),
        ("FATAL:  the database system is starting up", StoreUnavailable),
        ("FATAL:  sorry, too many clients already", StoreUnavailable),
        ("Connection refused\n\tIs the server running on that host?", StoreUnavailable),
        ('could not translate host name "database " to address', StoreUnavailable),
    ],
)
def test_while_it_connects_the_words_decide(words, kind):
    assert type(error_while_connecting(words, "here")) is kind


def test_where_it_is_is_said_once():
    words = 'connection to server at "h", port 5 failed: Connection refused\n\tIs it running?\n'
    assert str(error_while_connecting(words, "here")) == "here: Connection refused; Is it running?"
    assert "one" in str(error_while_connecting(f'at "one" failed: a\n{words}', "here"))
