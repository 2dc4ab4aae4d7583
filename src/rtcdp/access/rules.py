"""What an installation demands of who asks. Data alone, like `rtcdp.admission.rules`."""

from dataclasses import dataclass
from pathlib import Path

from rtcdp.errors import UsageError


@dataclass(frozen=True)
class AccessRules:
    """Tokens of others, limits, sessions and TLS.

    `jwks` is a file or an https address of the public keys that JSON Web Tokens are signed with
    (none: no such token is taken); they have to be for `jwt_audience`, and from `jwt_issuer`.
    `key_requests_per_s` and `address_requests_per_s` bound what one key and one address may ask
    (0: no bound), `failures_per_minute` how often an address may come with a key that is none. A
    session of the page ends after `session_hours`. The audit log keeps addresses without their last
    part, unless `whole_addresses`. With `tls_certificate` and `tls_key`, two PEM
    files, the server speaks https alone. Raises `UsageError` for what doesn't go together.
    """

    jwks: str = ""
    jwt_audience: str = ""
    jwt_issuer: str = ""
    key_requests_per_s: int = 0
    address_requests_per_s: int = 0
    failures_per_minute: int = 60
    session_hours: int = 12
    whole_addresses: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        if self.jwks and not (self.jwt_audience and self.jwt_issuer):
            raise UsageError(
                "access.jwks is set, and access.jwt_audience or access.jwt_issuer is not",
                "say for whom and from whom tokens have to be: those for others are none of ours",
            )
        if self.jwks.startswith("http:"):
            raise UsageError(
                f"access.jwks is {self.jwks}, which anybody on the way can change",
                "give an https address, or a file",
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise UsageError(
                "access.tls_certificate and access.tls_key go together", "give both, or none"
            )


MEANINGS: dict[str, str] = {
    "access.jwks": "A file or https address of keys (JWKS) that JSON Web Tokens are checked with.",
    "access.jwt_audience": "For whom such a token has to be (`aud`).",
    "access.jwt_issuer": "From whom it has to be (`iss`).",
    "access.key_requests_per_s": "What one key may ask in a second; 0: no limit.",
    "access.address_requests_per_s": "What one address may ask in a second; 0: no limit.",
    "access.failures_per_minute": "How often an address may come with a wrong key.",
    "access.session_hours": "How long somebody stays logged in on the page.",
    "access.whole_addresses": "The audit log keeps IP addresses whole, not their network alone.",
    "access.tls_certificate": "A PEM file with the server's certificate chain: it speaks https.",
    "access.tls_key": "The PEM file with its private key.",
}
"""What each of them means, as settings."""

FROM_ZERO = frozenset({"access.key_requests_per_s", "access.address_requests_per_s"})
"""Those that may be 0."""
