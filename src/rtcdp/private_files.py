"""Folders and files for their owner's eyes only, whoever makes them first."""

import os
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, each with mode 0700.

    One that is there is left as it is. (`Path.mkdir` gives its mode to the last one alone.) Raises
    `OSError`.
    """
    missing = []
    place = path
    while not place.exists():
        missing.append(place)
        if place == place.parent:
            break
        place = place.parent
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def open_private_file(path: Path) -> int:
    """A descriptor for writing a file from its beginning; a new one gets mode 0600. Raises
    `OSError`."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)


def sync_folder(folder: Path) -> None:
    """Let what was put into a folder, or got another name there, be on the disk.

    Raises `OSError`.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
