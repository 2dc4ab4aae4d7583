"""A backup of an installation: made while it runs, checked, and brought back."""

from rtcdp.runtime.backup.backing_up import BackupFailed, back_up
from rtcdp.runtime.backup.manifest import BackupDamaged, Manifest, check_files, read_manifest
from rtcdp.runtime.backup.restoring import Restored, restore

__all__ = [
    "BackupDamaged",
    "BackupFailed",
    "Manifest",
    "Restored",
    "back_up",
    "check_files",
    "read_manifest",
    "restore",
]
