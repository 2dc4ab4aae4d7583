"""Parts of the program that are imported when they are needed, and not before.

Most of the time that a command takes to start is spent on importing libraries: Polars, NumPy,
Litestar and httpx take longer than all of ours. So there are a few places where the program goes
one of several ways, and each of them names the others' modules only: which command was typed
(`rtcdp.cli.app`), which part a process runs (`rtcdp.runtime.processes.part`), what `rtcdp up`
does once its parts are on their way, and the server of `rtcdp serve` beside it (`rtcdp.cli.up`),
and which server the log or the store is kept on, for those libraries are optional
(`rtcdp.runtime.parts`).
Everywhere else imports stand at the top, as usual.
"""

from pkgutil import resolve_name
from typing import Any


def deferred(name: str) -> Any:
    """What `module:name` stands for, imported now. Tests call it for every name that is written
    down, so that a slip is found before it is needed."""
    return resolve_name(name)
