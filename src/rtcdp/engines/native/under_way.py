"""What a processor has under way: batches that are read ahead, and the epoch that is committed."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from rtcdp.admission.batch import DecodedBatch
from rtcdp.admission.event_id_index import Mark
from rtcdp.log.contract import Records
from rtcdp.store import Epoch, EpochReport

Pieces = tuple[Records, ...]


@dataclass(frozen=True)
class UnderWay:
    """An epoch that is being committed: of which pieces, by which log; `mark` is what the index of
    ids was like before. `attempt` returns when the first attempt is done, and raises what came of
    it. The report lacks how long it took."""

    epoch: Epoch
    pieces: Pieces
    log_id: str
    mark: Mark
    attempt: Callable[[], object]
    report: EpochReport
    started: float


@dataclass(frozen=True)
class Threads:
    """What works beside the loop: one reads and decodes, the other commits."""

    decode: ThreadPoolExecutor
    commit: ThreadPoolExecutor


@dataclass(frozen=True)
class Ahead:
    """What is being read and decoded from `next_offsets` on, in another thread."""

    next_offsets: Mapping[int, int]
    pieces: Future[Pieces]
    decoded: Future[DecodedBatch]
