"""The commands `keys create`, `list`, `rotate` and `revoke`."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer
from rich.text import Text

from rtcdp.access.audit import AuditLog
from rtcdp.access.key_file import change_keys, keys_path, read_keys
from rtcdp.access.keyring import Keyring, Minted
from rtcdp.access.keys import Key, KeyWish
from rtcdp.access.needs import scopes_of
from rtcdp.answers.instant import duration_ms, iso_ms
from rtcdp.api.door import origins_of
from rtcdp.cli.options import data_flags, with_settings
from rtcdp.cli.output import Form, Result, write, write_json
from rtcdp.cli.terminal import ListingGroup, PlainCommand, listing, moment, remark, say
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.log.limits import SOURCE_NAME
from rtcdp.runtime.settings import Settings

T = TypeVar("T")

_WHO = "command line"
_COLUMNS = (
    *("id", "name", "scopes", "state", "sources", "origins"),
    *("created_at", "expires_at", "revoked_at"),
)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as the list shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead.")]

keys = typer.Typer(
    name="keys",
    cls=ListingGroup,
    add_completion=False,
    help="Make keys for who may send and ask, replace them, take them back.",
)


@dataclass(frozen=True)
class Bounds:
    """The options of a new key."""

    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="NAME",
            help="write: send events. read: ask. admin: everything. May come several times.",
        ),
    ] = None
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="It sends as this source alone."),
    ] = None
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--origin",
            metavar="ORIGIN",
            help="It stands in pages of https://…, and sends events from those alone.",
        ),
    ] = None
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="It is good for so long: 90d, 12h."),
    ] = None

    def wish(self, name: str, now_ms: int) -> KeyWish:
        """What the key is to be. Raises `UsageError`, and `BadRequest` for what is no duration."""
        for source in self.source or ():
            if SOURCE_NAME.fullmatch(source) is None:
                raise UsageError(
                    f"{source!r} is no name of a source",
                    "take small letters, digits, - and _, up to 64",
                )
        ends = None if self.expires is None else now_ms + duration_ms("expires", self.expires)
        return KeyWish(
            name,
            scopes_of(self.scope or ()),
            tuple(self.source or ()),
            tuple(sorted(origins_of(",".join(self.origin or ())))),
            ends,
        )


@keys.command("create", cls=PlainCommand)
@with_settings()
def create(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what it is for.")],
    *,
    bounds: Bounds,
    json: AsJson = False,
) -> None:
    """Make a key, and show it: this once. With the first one, everybody needs one."""
    clock = SystemClock()
    wish = bounds.wish(name, clock.now_ms())
    is_first = not read_keys(keys_path(settings.data_dir)).keys
    made = _changed(
        settings,
        "keys create",
        lambda ring: ring.with_new(wish, clock.now_ms(), secrets.token_bytes),
        lambda made: made.key,
    )
    _show_new(made, json)
    if is_first and not json:
        remark("from now on whoever sends or asks needs a key, also on this machine")


@keys.command("list", cls=PlainCommand)
@with_settings()
def list_keys(settings: Settings, *, form: Form) -> None:
    """Show all keys, and whether they are good; also without "list"."""
    now_ms = SystemClock().now_ms()
    found = read_keys(keys_path(settings.data_dir)).keys
    rows = [_row(key, now_ms) for key in found]
    write(Result(_COLUMNS, rows), form, lambda: _show(settings, found, now_ms))


@keys.command("rotate", cls=PlainCommand)
@with_settings()
def rotate(
    settings: Settings,
    key_id: KeyId,
    *,
    grace: Annotated[
        str | None,
        typer.Option("--grace", metavar="TIME", help="The old one is good for so long: 24h."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a key that is like another one, and let that one go."""
    clock = SystemClock()
    grace_ms = 0 if grace is None else duration_ms("grace", grace)
    now_ms = clock.now_ms()

    def rotated(ring: Keyring) -> tuple[Keyring, tuple[Minted, Key]]:
        after, made = ring.with_rotated(key_id, now_ms, secrets.token_bytes, grace_ms)
        return after, (made, after.named(key_id))

    made, old = _changed(settings, f"keys rotate {key_id}", rotated, lambda told: told[0].key)
    _show_new(made, json)
    if not json:
        remark(f"{key_id} {_end_of(old, now_ms)}")


@keys.command("revoke", cls=PlainCommand)
@with_settings()
def revoke(settings: Settings, key_id: KeyId) -> None:
    """Take a key back. A running server knows it in an instant; the key stays in the list."""
    clock = SystemClock()
    gone = _changed(
        settings,
        "keys revoke",
        lambda ring: (ring.with_revoked(key_id, clock.now_ms()), ring.named(key_id)),
        lambda gone: gone,
    )
    say(f"revoked {gone.id} ({gone.name})")


def _changed(
    settings: Settings,
    action: str,
    change: Callable[[Keyring], tuple[Keyring, T]],
    key_of: Callable[[T], Key],
) -> T:
    def noted(ring: Keyring) -> tuple[Keyring, T]:
        changed, told = change(ring)
        # Before the file is replaced: what can't be noted isn't done.
        _note(settings, action, key_of(told))
        return changed, told

    return change_keys(keys_path(settings.data_dir), noted)


def _note(settings: Settings, action: str, key: Key) -> None:
    audit = AuditLog(settings.data_dir, SystemClock())
    audit.note(_WHO, action, f"key {key.id} {','.join(key.scopes)} {key.name}")


def _show_new(made: Minted, json: bool) -> None:
    if json:
        write_json({**_row(made.key, made.key.created_ms), "token": made.token})
        return
    say(made.token)
    remark("keep it: it is not shown again")


def _end_of(key: Key, now_ms: int) -> str:
    if key.revoked_ms is not None or key.expires_ms is None:
        return "was revoked"
    verb = "is good until" if key.state(now_ms) == "active" else "expired at"
    return f"{verb} {iso_ms(key.expires_ms)}"


def _row(key: Key, now_ms: int) -> dict[str, object]:
    def time(instant: int | None) -> str | None:
        return None if instant is None else iso_ms(instant)

    return {
        **{name: getattr(key, name) for name in ("id", "name", "scopes", "sources", "origins")},
        "state": key.state(now_ms),
        "created_at": time(key.created_ms),
        "expires_at": time(key.expires_ms),
        "revoked_at": time(key.revoked_ms),
    }


def _show(settings: Settings, found: Sequence[Key], now_ms: int) -> None:
    if not found:
        flags = data_flags(settings)
        say("there are no keys: make one with", f"  rtcdp keys create NAME --scope admin{flags}")
        return
    table = listing("id", "name", "may", "state", "bound to", "made", "until")
    for key in found:
        state = key.state(now_ms)
        style = "green" if state == "active" else "red"
        bound = ", ".join((*key.sources, *key.origins))
        until = "" if key.expires_ms is None else moment(key.expires_ms)
        row = (key.id, key.name, ", ".join(key.scopes), Text(state, style), bound)
        table.add_row(*row, moment(key.created_ms)[:10], until[:16])
    say(table)
