"""The token in an Authorization header, whichever server reads it."""

import binascii
from base64 import b64decode


def token_in(authorization: str | None) -> str | None:
    """Of Bearer what follows, of Basic the password, or else the name (RFC 6750, RFC 7617); empty
    for any other scheme, and None without a header."""
    if authorization is None:
        return None
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        name, _, password = b64decode(given.strip(), validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):
        return ""
    return password or name
