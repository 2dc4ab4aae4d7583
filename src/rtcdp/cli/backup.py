"""The commands `backup` and `backup verify`: a copy of an installation while it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from rtcdp.access.audit import AuditLog
from rtcdp.cli.options import with_options, with_settings
from rtcdp.cli.terminal import PlainCommand, PlainGroup, moment, number, progress_bar, say
from rtcdp.clock import SystemClock
from rtcdp.runtime.backup import Manifest, back_up, check_files, read_manifest
from rtcdp.runtime.parts import require_store
from rtcdp.runtime.settings import Settings
from rtcdp.words import plural

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the backup is to be.")]
Made = Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup.")]

_MAKE, _VERIFY = "make", "verify"


class _Group(PlainGroup):
    """A folder alone is where to make a backup."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (_MAKE, _VERIFY, *ctx.help_option_names):
            args = [_MAKE, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


backup = typer.Typer(
    name="backup",
    cls=_Group,
    add_completion=False,
    no_args_is_help=True,
    help="Copy the installation into a new folder, while it runs.",
    epilog="Like this: rtcdp backup FOLDER, whose options are those of rtcdp backup make. Log and"
    " store belong together in it, and rtcdp restore checks every byte.",
)


@backup.command(_MAKE, cls=PlainCommand)
@with_settings()
def make(settings: Settings, folder: Folder) -> None:
    """Copy the installation into a new folder; also without "make"."""
    require_store(settings)
    clock = SystemClock()
    AuditLog(settings.data_dir, clock).note("command line", "backup")
    with progress_bar(counted=False) as bar:
        task = bar.add_task("copying", total=None)
        manifest = back_up(
            settings, clock, folder, lambda done, of: bar.update(task, completed=done, total=of)
        )
    say(f"{folder}: {contents(manifest)}")
    if not manifest.log.is_copied:
        say(Text(f"the log is on {manifest.log.kind}, and not in it", "yellow"))


@backup.command(_VERIFY, cls=PlainCommand)
@with_options
def verify(folder: Made) -> None:
    """Read a backup, and tell whether every byte is as it was written."""
    manifest = read_manifest(folder)
    check(folder, manifest)
    say(Text.assemble(("as it was made: ", "bold green"), contents(manifest)))


def check(folder: Path, manifest: Manifest) -> None:
    """Read all files of a backup, with a progress bar. Raises `BackupDamaged`."""
    with progress_bar(counted=False) as bar:
        task = bar.add_task("reading", total=manifest.size)
        check_files(folder, manifest, lambda done, of: bar.update(task, completed=done, total=of))


def contents(manifest: Manifest) -> str:
    """What is in a backup, in a line."""
    counted = sum(manifest.store.next_offsets.values())
    waiting = sum(
        end - manifest.store.next_offsets.get(partition, 0)
        for partition, end in manifest.log.next_offsets.items()
    )
    beyond = f", {number(waiting)} more wait in its log" if waiting else ""
    return (
        f"{len(manifest.files)} files, {manifest.size / 2**20:,.1f} MiB, of"
        f" {moment(manifest.made_at)}: {plural(counted, 'record')} counted by epoch"
        f" {number(manifest.store.epoch)}{beyond}"
    )
