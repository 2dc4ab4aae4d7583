"""What a writer over another one hands through."""

from collections.abc import Sequence

from rtcdp.log.contract import Claim, ImportRegister, LogWriter, NoClaim
from rtcdp.log.piece import Piece


class WrappingWriter:
    """A writer over `writer`, without its `append`: the register of what was imported and the look
    at the log's place stay within reach, where the log has them."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """As promised by `ImportRegister`; none where the log keeps no register."""
        return pieces_after(self._writer, key)

    def try_claim(self, key: str) -> Claim | None:
        """As promised by `ImportRegister`; given where the log keeps no register."""
        return try_claim(self._writer, key)

    def check_place(self) -> None:
        """Raises `LogGone` when the log below is not where it was, if its writer can tell."""
        check = getattr(self._writer, "check_place", None)
        if check is not None:
            check()

    def close(self) -> None:
        """End the writer below."""
        self._writer.close()


def pieces_after(writer: LogWriter, key: str) -> Sequence[Piece]:
    """The pieces that `writer` knows behind the text which `key` names; none where it keeps no
    register. Raises what the writer raises."""
    return writer.pieces_after(key) if isinstance(writer, ImportRegister) else ()


def try_claim(writer: LogWriter, key: str) -> Claim | None:
    """A claim on what `key` names, None while somebody else has it; always given where `writer`
    keeps no register. Raises what the writer raises."""
    return writer.try_claim(key) if isinstance(writer, ImportRegister) else NoClaim()
