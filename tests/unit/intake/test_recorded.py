"""What a request says of the recorded file that it brings."""

import base64
import hashlib

import pytest

from rtcdp.intake.problem import RequestRefused
from rtcdp.intake.recorded import DISPOSITION, digest_of, name_of

BODY = b"a line\n"


def stated(name: str, value: bytes) -> str:
    return f"{name}=:{base64.b64encode(value).decode()}:"


@pytest.mark.parametrize("name", ["sha-256", "sha-512"])
def test_a_digest_is_that_of_the_bytes_that_were_sent(name: str) -> None:
    summed = hashlib.new(name.replace("-", ""), BODY)
    digest = digest_of(stated(name, summed.digest()).encode())
    assert digest is not None
    assert digest.is_of(summed)
    summed.update(b"more")
    assert not digest.is_of(summed)


def test_of_many_digests_the_first_that_is_known_here_is_taken() -> None:
    right = hashlib.sha512(BODY)
    header = f"{stated('crc32c', b'1234')}, {stated('sha-512', right.digest())}"
    digest = digest_of(header.encode())
    assert digest is not None
    assert digest.is_of(right)
    assert digest_of(stated("md5", b"x" * 16).encode()) is None


@pytest.mark.parametrize(
    "header", [b"", b"sha-256", b"sha-256=abc", b"sha-256=:a:", b"sha-256=:\xff:"]
)
def test_what_is_no_digest_is_refused_with_what_one_looks_like(header: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        digest_of(header)
    assert refused.value.code == "bad_digest"
    assert "sha-256=:BASE64:" in refused.value.hint


@pytest.mark.parametrize(
    ("given", "disposition", "name"),
    [
        ("may.csv", b"attachment; filename=june.csv", "may.csv"),
        (None, b"attachment; filename=june.csv", "june.csv"),
        (None, b"attachment; filename*=UTF-8''%e2%82%ac.csv", "\N{EURO SIGN}.csv"),
        (None, b'attachment; filename="../../etc/passwd"', "passwd"),
        ("C:\\days\\may.csv", b"", "may.csv"),
        ("a\x1b[31m\n.csv", b"", "a[31m.csv"),
        ("..//", b"", "import"),
        (None, b"inline", "import"),
    ],
)
def test_a_file_is_called_what_is_said_without_its_folders(
    given: str | None, disposition: bytes, name: str
) -> None:
    assert name_of(given, {DISPOSITION: disposition} if disposition else {}) == name


def test_a_file_without_a_name_has_one() -> None:
    assert name_of(None, {}) == "import"
