"""The second stream of an installation, `product_updates`: where it rests, and its follower.

It rests beside the log of events, wherever that is: in a folder inside of it, or in a topic of its
own on the same brokers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from rtcdp.definitions.products import EVENTS_TOPIC, PRODUCT_STREAM
from rtcdp.engines.products import ProductUpdates
from rtcdp.runtime.parts.opening import log_reader
from rtcdp.runtime.settings import Settings
from rtcdp.store import Store


def product_log_url(settings: Settings) -> str:
    """Where product updates rest: `embedded:DIR/product_updates`, or the topic `product_updates` of
    the same brokers (`TOPIC.product_updates` beside a topic with another name than the usual)."""
    path = settings.log_path
    if path is not None:
        return f"{settings.log_kind}:{path / PRODUCT_STREAM}"
    parts = urlsplit(settings.log_url)
    topic = parts.path.removeprefix("/")
    name = PRODUCT_STREAM if topic == EVENTS_TOPIC else f"{topic}.{PRODUCT_STREAM}"
    return urlunsplit(parts._replace(path=f"/{name}"))


def with_product_log(settings: Settings) -> Settings:
    """The settings of an installation whose log is that of product updates."""
    return replace(settings, log=product_log_url(settings))


@contextmanager
def product_updates(settings: Settings, store: Store) -> Iterator[ProductUpdates]:
    """What lets an engine follow the stream, writing through its own `store`."""
    with log_reader(with_product_log(settings)) as log:
        yield ProductUpdates(
            log, store, settings.products.max_versions, settings.log_retention.max_bytes
        )
