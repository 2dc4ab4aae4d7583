"""Recorded files over HTTP, of any size: read, mapped and judged by a thread while they arrive, and
taken in piece by piece as `rtcdp replay` does it, so that what is in the log is the same."""

import asyncio
import concurrent.futures
import hashlib
import io
import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from rtcdp.breather import Breather
from rtcdp.errors import PartMissing, UsageError
from rtcdp.intake.body_pipe import PIPE_BYTES, BodyPipe
from rtcdp.intake.collector import Collector, IntakeAnswer
from rtcdp.intake.decompression import ENCODINGS
from rtcdp.intake.problem import RequestRefused
from rtcdp.intake.recorded import FileAnswer, SentFile
from rtcdp.log.contract import Claim, NoClaim
from rtcdp.log.piece import Piece
from rtcdp.runtime.collecting.claiming import claimed
from rtcdp.runtime.collecting.local_intake import PIECE_BYTES
from rtcdp.sources.recorded.compressed import MAGIC_BYTES, is_gzip, is_zstd
from rtcdp.sources.recorded.mapped_blocks import ImportedBefore, MappedBlock, new_blocks
from rtcdp.sources.recorded.mapping import Mapping, built_in_mappings, load_mapping
from rtcdp.sources.recorded.recorded_file import RecordedFile
from rtcdp.sources.recorded.replay import check_lines

if TYPE_CHECKING:
    from litestar.types import Receive

T = TypeVar("T")

_MAPPING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_READ_BYTES = 256 * 1024
_LOOK_S = 1.0
_IS_PACKED = {"gzip": is_gzip, "x-gzip": is_gzip, "zstd": is_zstd}
_CUT = RequestRefused("body_damaged", "send the body whole, as its headers say")


class CollectorFiles:
    """Takes recorded files in by a collector, a thread for each, `max_imports` of them at once.

    Mappings are those that come with rtcdp, and files NAME.toml in the folder `mappings`.
    """

    def __init__(self, collector: Collector, mappings: Path) -> None:
        self._collector = collector
        self._mappings = mappings
        self._under_way = 0
        most = max(1, collector.limits.max_imports)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="import")

    async def take(self, file: SentFile, receive: "Receive | None") -> FileAnswer:
        """As promised by `rtcdp.intake.recorded.FileDoor`."""
        mapping = self._checked(file)
        summed = hashlib.new(file.digest.algorithm) if file.digest is not None else None
        loop = asyncio.get_running_loop()
        pipe = BodyPipe() if summed is None else BodyPipe(summed.update)
        with self._slot() as end_of_slot:
            importing = _Importing(file, mapping, pipe, self._collector, loop)
            working = loop.run_in_executor(self._threads, importing.run, summed)
            working.add_done_callback(end_of_slot)
        filling = asyncio.create_task(pipe.fill(receive, self._collector, file.head))
        try:
            await asyncio.wait((working, filling), return_when=asyncio.FIRST_COMPLETED)
            return await working
        finally:
            pipe.end(_CUT)
            filling.cancel()
            if working.done():
                # What it calls at its end may be called only after this has returned.
                end_of_slot(working)

    def close(self) -> None:
        """Wait for the threads; to be called when the loop has ended."""
        self._threads.shutdown()

    def _checked(self, file: SentFile) -> Mapping:
        """The mapping of a file, of which nothing has been read. Raises `RequestRefused`."""
        limits = self._collector.limits
        if file.encoding not in ("", *ENCODINGS):
            raise RequestRefused(
                "unknown_encoding",
                f"send one Content-Encoding of {', '.join(ENCODINGS)}, or none",
                headers=((b"accept-encoding", b"gzip, zstd"),),
            )
        is_plain = file.encoding in ("", "identity")
        if limits.max_import_bytes and is_plain and (file.length or 0) > limits.max_import_bytes:
            raise _too_large(limits.max_import_bytes)
        return self._mapping(file.mapping)

    def _mapping(self, name: str) -> Mapping:
        # A name, never a path: who sends must not choose which files of this machine are read.
        if not _MAPPING_NAME.fullmatch(name):
            raise self._unknown_mapping(name)
        own = self._mappings / f"{name}.toml"
        try:
            return load_mapping(name if name in built_in_mappings() else str(own))
        except PartMissing:
            raise self._unknown_mapping(name) from None
        except UsageError as error:
            raise RequestRefused("unknown_mapping", f"{error}; {error.hint}") from error

    def _unknown_mapping(self, name: str) -> RequestRefused:
        known = ", ".join(built_in_mappings())
        return RequestRefused(
            "unknown_mapping",
            f"there is no mapping {name[:64]!r}: name one of {known}, or NAME for a file NAME.toml "
            f"in the server's folder {self._mappings}",
        )

    @contextmanager
    def _slot(self) -> Iterator["Callable[[asyncio.Future[FileAnswer] | None], None]"]:
        """One of the threads, and the memory of a pipe. Gives what is to be called at its end, once
        or more often."""
        limits = self._collector.limits
        if self._under_way >= limits.max_imports:
            raise RequestRefused(
                "overloaded",
                f"{limits.max_imports} files are imported now: send it again when one has ended",
                limits.retry_after_s,
            )
        self._collector.hold(PIPE_BYTES)
        self._under_way += 1
        is_ended = False

        def end(done: "asyncio.Future[FileAnswer] | None") -> None:
            if done is not None and not done.cancelled():
                # Who asked may have gone: then nobody else wants to know.
                done.exception()
            nonlocal is_ended
            if not is_ended:
                is_ended = True
                self._collector.release(PIPE_BYTES)
                self._under_way -= 1

        try:
            yield end
        except BaseException:
            end(None)
            raise


class _Importing:
    """One file on its way into the log; all but the making of it is for a thread."""

    def __init__(
        self,
        file: SentFile,
        mapping: Mapping,
        pipe: BodyPipe,
        collector: Collector,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._file = file
        self._mapping = mapping
        self._pipe = pipe
        self._collector = collector
        self._loop = loop
        self._answer = FileAnswer(0, 0)
        self._text_bytes = 0
        self._excess: RequestRefused | None = None
        self._held: MappedBlock | None = None
        self._claim: Claim = NoClaim()
        self._sent: concurrent.futures.Future[IntakeAnswer] | None = None

    def run(self, summed: "hashlib._Hash | None") -> FileAnswer:
        """Take the file in; `summed` is of what was read. Raises `RequestRefused`."""
        raw = io.BufferedReader(self._pipe, _READ_BYTES)
        try:
            self._check_encoding(raw)
            with RecordedFile(Path(self._file.name), raw, self._check_size) as recorded:
                self._check_lines(recorded)
                self._take_all_but_last(recorded)
                self._check_digest(raw, summed)
                self._send_held()
                self._wait()
                if recorded.damage is not None:
                    raise RequestRefused("corrupt_encoding", f"send it whole ({recorded.damage})")
        except RequestRefused as refused:
            with suppress(RequestRefused):
                self._wait()
                if refused in (self._pipe.trouble, self._excess):
                    self._send_held()
                    self._wait()
            raise self._with_what_was_taken(refused) from refused
        finally:
            self._claim.close()
        return self._answer

    def _check_encoding(self, raw: "io.BufferedReader[Any]") -> None:
        encoding = self._file.encoding
        start = raw.peek(MAGIC_BYTES)
        if not start:
            raise RequestRefused("empty_body", "send one event or more")
        if encoding in _IS_PACKED and not _IS_PACKED[encoding](start):
            raise RequestRefused(
                "corrupt_encoding",
                f"send the body as its Content-Encoding says: it is no {encoding}",
            )

    def _check_size(self, more_bytes: int) -> None:
        """All that is unpacked counts, whatever becomes of it: what was imported before, and of a
        line that is too long what is not kept."""
        self._text_bytes += more_bytes
        most = self._collector.limits.max_import_bytes
        if most and self._text_bytes > most:
            self._excess = _too_large(most)
            raise self._excess

    def _check_lines(self, recorded: RecordedFile) -> None:
        """See that the first lines are what the mapping is made for, as far as they go."""
        beginning = io.BufferedReader(io.BytesIO(recorded.beginning()))
        try:
            # What was packed twice is no lines, and must not look like some.
            unpacked = RecordedFile(recorded.path, beginning, is_unpacked=True)
            check_lines(unpacked, self._mapping)
        except UsageError as error:
            hint = (
                f"{error}; choose the mapping for this kind of file with ?mapping=, or correct it"
            )
            raise RequestRefused("not_mapped", f"{hint}; nothing was taken") from error

    def _take_all_but_last(self, recorded: RecordedFile) -> None:
        """Send each block while the next one is read; the last one is held."""
        breather = Breather()
        blocks = new_blocks(recorded, self._mapping, self._file.source, self, PIECE_BYTES)
        for mapped in blocks:
            breather.breathe()
            if isinstance(mapped, ImportedBefore):
                self._answer = msgspec.structs.replace(
                    self._answer, known=self._answer.known + mapped.line_count
                )
                continue
            self._send_held()
            self._held = mapped

    def claim(self, key: str) -> None:
        """As promised by `ClaimingRegister`."""
        self._claim = claimed(self._collector, key, self._check_sender)

    def _check_sender(self) -> None:
        self._collector.check_open()
        if self._pipe.trouble is not None:
            raise self._pipe.trouble

    def pieces_after(self, key: str) -> "list[Piece]":
        """The pieces that are in the log and follow the text which `key` names."""
        return list(self._in_loop(lambda: self._collector.known_pieces(key)))

    def _check_digest(self, raw: "io.BufferedReader[Any]", summed: "hashlib._Hash | None") -> None:
        if self._file.digest is None or summed is None:
            return
        while raw.read(_READ_BYTES):
            """What follows a damage is of the body, too."""
        if not self._file.digest.is_of(summed):
            raise RequestRefused(
                "other_digest", "see what changes the bytes on their way, and send the file again"
            )

    def _send_held(self) -> None:
        """Send what is held when what was sent before it is in the log."""
        self._wait()
        mapped, self._held = self._held, None
        if mapped is None:
            return
        self._answer = msgspec.structs.replace(
            self._answer, blank=self._answer.blank + mapped.blank
        )

        async def take() -> IntakeAnswer:
            return await self._patiently(
                lambda: self._collector.take_runs(mapped.runs, self._file.source, mapped.piece)
            )

        self._sent = asyncio.run_coroutine_threadsafe(take(), self._loop)

    async def _patiently(self, take: Callable[[], Awaitable[IntakeAnswer]]) -> IntakeAnswer:
        """What others hold in memory is given back in a moment: it is waited for, for a while."""
        limits = self._collector.limits
        last_s = self._loop.time() + limits.body_timeout_s
        while True:
            try:
                return await take()
            except RequestRefused as refused:
                if refused.code != "overloaded" or self._loop.time() >= last_s:
                    raise
            await asyncio.sleep(0.05)

    def _wait(self) -> None:
        """Wait until what was sent is in the log, and add up what became of it."""
        sent, self._sent = self._sent, None
        if sent is None:
            return
        answer, before = self._result(sent), self._answer
        places = before.known + before.accepted + before.rejected_count
        room = self._collector.limits.max_rejections_named - len(before.rejected)
        named = tuple(
            msgspec.structs.replace(each, index=places + each.index)
            for each in answer.rejected[: max(0, room)]
        )
        self._answer = msgspec.structs.replace(
            before,
            accepted=before.accepted + answer.accepted,
            known=before.known + answer.duplicates,
            rejected=before.rejected + named,
            rejected_count=before.rejected_count + answer.rejected_count,
        )

    def _in_loop(self, ask: Callable[[], "Awaitable[T]"]) -> T:
        async def asked() -> T:
            return await ask()

        return self._result(asyncio.run_coroutine_threadsafe(asked(), self._loop))

    def _result(self, future: "concurrent.futures.Future[T]") -> T:
        """What a coroutine of the loop gives; the pipe's trouble when the loop ends instead."""
        while True:
            done, _ = concurrent.futures.wait((future,), _LOOK_S)
            if done:
                return future.result()
            if self._pipe.trouble is not None and self._loop.is_closed():
                raise self._pipe.trouble

    def _with_what_was_taken(self, refused: RequestRefused) -> RequestRefused:
        answer = self._answer
        taken = answer.known + answer.accepted + answer.rejected_count
        if not taken:
            return refused
        told = f"{refused.hint}; {taken:,} lines from its beginning are taken in: they count once"
        return RequestRefused(refused.code, told, refused.retry_after_s, refused.headers)


def _too_large(most: int) -> RequestRefused:
    return RequestRefused(
        "body_too_large",
        f"send at most {most} bytes of lines a file (collector.max_import_bytes), or have "
        "that raised",
    )
