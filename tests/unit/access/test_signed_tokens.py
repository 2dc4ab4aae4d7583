"""JSON Web Tokens, made by a provider of this test's own."""

import base64
import json
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rtcdp.access.grant import AccessRefused
from rtcdp.access.rules import AccessRules
from rtcdp.access.signed_tokens import SignedTokens
from rtcdp.clock import ManualClock
from rtcdp.errors import PartMissing

ED, OTHER = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
EC, RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
PUBLISHED = {"ed": ("EdDSA", ED), "ec": ("ES256", EC), "rsa": ("RS256", RSA)}


def key_set(**keys) -> str:
    found = []
    for key_id, (algorithm, key) in keys.items():
        public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        found.append({**public, "kid": key_id, "alg": algorithm})
    return json.dumps({"keys": found})


def token(key_id: str = "ed", key=ED, algorithm: str = "EdDSA", **changes) -> str:
    claims = {
        "sub": "ada",
        "aud": "rtcdp",
        "iss": "https://login.example",
        "exp": time.time() + 60,
        "scope": "openid read",
    }
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(kept, key, algorithm, headers={"kid": key_id})


@pytest.fixture
def rules(tmp_path: Path) -> AccessRules:
    path = tmp_path / "jwks.json"
    path.write_text(key_set(**PUBLISHED))
    return AccessRules(jwks=str(path), jwt_audience="rtcdp", jwt_issuer="https://login.example")


@pytest.fixture
def tokens(rules: AccessRules) -> SignedTokens:
    return SignedTokens(rules, ManualClock())


@pytest.mark.parametrize("key_id", PUBLISHED)
def test_a_good_token_gives_the_scopes_that_it_names(tokens, key_id) -> None:
    algorithm, key = PUBLISHED[key_id]
    grant = tokens.grant(token(key_id, key, algorithm))
    assert (grant.who, grant.scopes) == ("token of ada", ("read",))


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("admin write", ("write", "admin")),
        (["read"], ("read",)),
        ("openid", ()),
        (None, ()),
        (7, ()),
        ([["read"]], ()),
    ],
)
def test_scopes_that_are_not_ours_give_nothing(tokens, scope, scopes) -> None:
    assert tokens.grant(token(scope=scope)).scopes == scopes


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"iss": "https://evil.test"},
        {"exp": None},
        {"aud": None},
        {"iss": None},
        {"nbf": time.time() + 86_400},
        {"key": OTHER},
        {"key_id": "nobody"},
        {"key_id": "ec"},
    ],
)
def test_a_token_that_is_not_good_gives_nothing(tokens, changes) -> None:
    with pytest.raises(AccessRefused) as caught:
        tokens.grant(token(**changes))
    assert (caught.value.code, caught.value.status) == ("unknown_key", 401)


def test_a_token_that_has_expired_says_so(tokens) -> None:
    with pytest.raises(AccessRefused) as caught:
        tokens.grant(token(exp=time.time() - 1))
    assert caught.value.code == "expired_key"


def test_a_token_does_not_choose_how_it_is_checked(tokens) -> None:
    """Neither without a signature, nor with a public key taken for a shared secret."""
    head, body, _ = token().split(".")
    nothing = json.dumps({"alg": "none", "kid": "ed"}).encode()
    forged = base64.urlsafe_b64encode(nothing).decode().rstrip("=")
    shared = jwt.encode(
        jwt.decode(token(), options={"verify_signature": False}),
        ED.public_key().public_bytes_raw(),
        "HS256",
        headers={"kid": "ed"},
    )
    for each in (f"{forged}.{body}.", f"{head}.{body}.", shared, "a.b.c", "x" * 10_000):
        with pytest.raises(AccessRefused) as caught:
            tokens.grant(each)
        assert caught.value.code == "unknown_key"


def test_a_new_key_of_the_provider_is_read_when_a_token_names_it(rules) -> None:
    clock = ManualClock()
    tokens = SignedTokens(rules, clock)
    Path(rules.jwks).write_text(key_set(new=("EdDSA", OTHER)))
    for _ in range(2):
        with pytest.raises(AccessRefused):
            tokens.grant(token("new", OTHER))
    clock.advance(31_000)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert tokens.grant(token("new", OTHER)).scopes == ("read",)
            return
        except AccessRefused:
            time.sleep(0.01)
    pytest.fail("the keys were not read again")


def test_keys_that_can_not_be_read_let_nothing_begin(rules) -> None:
    for text in ("{}", "[]", "7", '{"keys": 7}', '{"keys": [7]}', "no JSON"):
        Path(rules.jwks).write_text(text)
        with pytest.raises(PartMissing, match="can't be read"):
            SignedTokens(rules, ManualClock())
    Path(rules.jwks).unlink()
    with pytest.raises(PartMissing, match="can't be read"):
        SignedTokens(rules, ManualClock())
