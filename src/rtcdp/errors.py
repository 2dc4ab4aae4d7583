"""The errors that a user can meet, each with what to do about it.

Every error that leaves a public function of rtcdp and is not a programming mistake is an
`RtcdpError`. Its text says what happened; its `hint` says what to do. The command line turns
it into a message and an exit code, the HTTP side into a problem document.
"""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST_TEXT = 100


class RtcdpError(Exception):
    """Base of all errors with a message for the user.

    `hint` is one sentence in the imperative. `exit_code` follows the command line's contract:
    1 a check failed, 2 wrong usage, 3 a part that is needed is not there.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(RtcdpError):
    """A setting, flag or definition is wrong."""

    exit_code = 2


class PartMissing(RtcdpError):
    """A part that was asked for (a server, an extra, a file) is not there."""

    exit_code = 3


class BadRequest(RtcdpError):
    """The request can't be understood: a parameter is unknown, malformed or out of range."""


class NotThere(RtcdpError):
    """What was asked for by name does not exist."""


class NotInCatalog(NotThere):
    """The catalog has no definition of that name."""


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """The beginning of a hint: a question for the word that was probably meant, with a blank behind
    it; nothing where no word is near. Capitals, hyphens and underscores don't matter."""
    meant = nearest(text, known)
    return "" if meant is None else f"did you mean {meant}? "


def nearest(text: str, known: Iterable[str]) -> str | None:
    """The word that is nearest to a text, if one is near. Capitals, hyphens and underscores don't
    matter."""
    plain = {_plain(word): word for word in known}
    found = get_close_matches(_plain(text[:_LONGEST_TEXT]), plain, n=1)
    return plain[found[0]] if found else None


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
