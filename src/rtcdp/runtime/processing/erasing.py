"""A user is erased from an installation that nobody else works on."""

import threading
from dataclasses import replace

from rtcdp.clock import Clock
from rtcdp.engines.native.processor import Processor
from rtcdp.errors import UsageError
from rtcdp.runtime.processing.running import processor_of
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.receipts import Receipt, keep_receipt, salt_of
from rtcdp.runtime.user_data.search import Search, receipt_of


def erase(settings: Settings, clock: Clock, user_id: str, by: str) -> Receipt:
    """Count what the log holds, erase a user from store and log, look for what is left, and keep a
    signed receipt.

    Works as the installation's only processor. Raises `AlreadyRunning` while another one works,
    `UsageError` for an empty id, and what log and store raise.
    """
    if not user_id:
        raise UsageError("whom shall it erase?", "give the user's id")
    with processor_of(counted_alone(settings), clock) as processor:
        assert isinstance(processor, Processor)
        processor.run(threading.Event(), once=True)
        erased = processor.erase(user_id, salt_of(processor.store))
        # What a collector takes in from here on is theirs again.
        search = Search(processor.progress.next_offsets)
    receipt = receipt_of(settings, erased, user_id, by, search=search)
    return keep_receipt(settings.data_dir, receipt)


def counted_alone(settings: Settings) -> Settings:
    """The settings of one native processor for all shards: what takes a user out has to be the only
    writer."""
    return replace(settings, engine="native", processor=replace(settings.processor, shards=1))
