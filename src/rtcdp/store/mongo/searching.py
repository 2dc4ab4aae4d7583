"""A search of the whole database for texts: to know that nothing is left of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from rtcdp.store.mongo.connection import MongoDatabase

_DOCUMENTS_AT_ONCE = 1_000


def values_with(
    url: str, texts: Sequence[bytes], on_slice: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, bytes]]:
    """Documents of the database, as they rest (BSON, some hundreds of them after another), that
    hold any of these texts, with their collection's name. Every collection is read as a whole, and
    `on_slice` is called after each answer of the server. Raises what reading the store raises."""
    with closing(MongoDatabase(url)) as database, database.translated():
        for name in database.collection_names():
            found = database.collection(name).find_raw_batches(batch_size=_DOCUMENTS_AT_ONCE)
            for documents in found:
                if any(text in documents for text in texts):
                    yield name, documents
                on_slice()
