"""The erasures that somebody asked for, done by the processor that is at work, in its turn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from rtcdp.answers.user_data import ErasureState
from rtcdp.clock import Clock
from rtcdp.engines.native.erasing import Erased
from rtcdp.engines.native.processor import Processor
from rtcdp.errors import PartMissing, UsageError
from rtcdp.log.contract import LogUnavailable
from rtcdp.runtime.parts import log_reader
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.receipts import Receipt, keep_receipt, salt_of
from rtcdp.runtime.user_data.requests import ErasureRequests
from rtcdp.runtime.user_data.search import Search, receipt_of
from rtcdp.store import StoreUnavailable

AGAIN_AFTER_S = 5.0
"""What was kept from ending is tried again then at the earliest: each time, the log's writers
wait."""

_AGAIN = "begun before and interrupted: what was taken out then is not counted here"
_SHOWN_EVERY_S = 5


@dataclass
class ErasureTurns:
    """What a processor does between two rounds: erase whoever it was asked to, one at a time, as
    soon as it has counted what the log held when it first heard of it. `say` is told what became of
    each."""

    settings: Settings
    clock: Clock
    say: Callable[[str], None] = lambda _: None
    _shown_at: float = float("-inf")
    _ends: dict[str, Mapping[int, int]] = field(default_factory=dict)
    _begun: dict[str, Erased] = field(default_factory=dict)
    _again_at: float = float("-inf")

    def take(self, processor: Processor) -> None:
        """Do the oldest request, if there is one. Raises what log and store raise, and goes on with
        it in a later turn then."""
        if self.clock.monotonic() < self._again_at:
            return
        try:
            self._take(processor)
        except (LogUnavailable, StoreUnavailable):
            self._again_at = self.clock.monotonic() + AGAIN_AFTER_S
            raise

    def _take(self, processor: Processor) -> None:
        requests = ErasureRequests(self.settings.data_dir, self.clock)
        waiting = requests.waiting()
        if not waiting:
            return
        requests.sweep()
        if not self._has_counted(processor, waiting[0]):
            return
        user_id, state = requests.user_of(waiting[0]), requests.begin(waiting[0])
        if user_id is None or state is None:
            return
        is_again = state.state == "erasing" and state.id not in self._begun
        try:
            receipt = self._erase(processor, state, user_id, [_AGAIN] * is_again)
        except (UsageError, PartMissing) as error:
            if state.id in self._begun:
                raise StoreUnavailable(f"an erasure can't be ended: {error}", error.hint) from error
            done = msgspec.structs.replace(state, state="failed", trouble=str(error))
        else:
            told = msgspec.to_builtins(receipt)
            done = msgspec.structs.replace(state, state="done", receipt=told)
        requests.end(done)
        self._begun.pop(state.id, None)
        self._ends.pop(state.id, None)
        self.say(f"an erasure is {done.state}{f': {done.trouble}' if done.trouble else ''}")

    def show_up(self) -> None:
        """Let whoever asks see that somebody takes what they ask. To be called all the while."""
        now = self.clock.monotonic()
        if now - self._shown_at >= _SHOWN_EVERY_S:
            self._shown_at = now
            ErasureRequests(self.settings.data_dir, self.clock).show_taker()

    def _has_counted(self, processor: Processor, request_id: str) -> bool:
        if request_id not in self._ends:
            with log_reader(self.settings) as log:
                self._ends[request_id] = {p: log.extent(p).next_offset for p in log.partitions()}
        reached = processor.progress.next_offsets
        return all(reached.get(p, 0) >= end for p, end in self._ends[request_id].items())

    def _erase(
        self, processor: Processor, state: ErasureState, user_id: str, notes: Sequence[str]
    ) -> Receipt:
        begun = self._begun.get(state.id)
        if begun is None:
            erased = processor.erase(
                user_id,
                salt_of(processor.store),
                on_committed=lambda done: self._begun.update({state.id: done}),
            )
        else:
            # The store has forgotten the user, and something kept the log from it.
            processor.recover()
            erased = replace(begun, log_records=sum(begun.records.values()))
        requests = ErasureRequests(self.settings.data_dir, self.clock)
        search = Search(
            processor.progress.next_offsets,
            requests.files_of(user_id),
            processor.keep_right,
        )
        receipt = receipt_of(self.settings, erased, user_id, state.by, notes, search)
        return keep_receipt(self.settings.data_dir, receipt)
