"""Which process an installation's files belong to, so that two don't get in each other's way."""

from pathlib import Path

from rtcdp.runtime.locks import Holder, Lock, holder_of
from rtcdp.runtime.settings import Settings


def running_lock(settings: Settings) -> Lock:
    """Mark the installation in `settings.data_dir` as running; `announce` its address then.

    Raises `AlreadyRunning` when it is, and `UsageError` when the folder can't be written to.
    """
    return Lock(_running_lock_path(settings), f"rtcdp on {settings.data_dir}")


def running_url(settings: Settings) -> str | None:
    """Where the installation in `settings.data_dir` takes events; None when it isn't running."""
    holder = holder_of(_running_lock_path(settings))
    return holder.url or None if holder is not None else None


def running_holder(settings: Settings) -> Holder | None:
    """Who runs the installation in `settings.data_dir`; None when nobody does."""
    return holder_of(_running_lock_path(settings))


def processor_holder(settings: Settings) -> Holder | None:
    """Who processes into the installation's store, if that is a file; None when nobody does, and
    for stores on servers, which keep leases instead."""
    if settings.store_kind != "sqlite":
        return None
    return holder_of(processor_lock_path(settings))


def processor_lock(settings: Settings, patience_s: float = 0.0) -> Lock:
    """The right to write into the installation's store.

    Raises `AlreadyRunning` when another process still has it after `patience_s`.
    """
    return Lock(processor_lock_path(settings), "a processor", patience_s=patience_s)


def processor_lock_path(settings: Settings) -> Path:
    """Beside the store's file, so that two processors of one store find each other."""
    path = settings.store_file
    return path.with_name(f"{path.name}.processor.lock")


def _running_lock_path(settings: Settings) -> Path:
    return settings.data_dir / "up.lock"
