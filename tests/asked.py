"""Asking servers of this machine over and over."""

import ssl

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For `verify`: a question without it reads the certificates of the whole world first, which takes
longer than the answer does."""
