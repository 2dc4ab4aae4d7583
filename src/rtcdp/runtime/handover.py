"""What a supervisor hands to a part: its name on the command line, its settings on its input."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from rtcdp.runtime.settings import Settings

GENERATOR, HTTP, PROCESSOR = "generator", "http", "processor"


def command_of(name: str) -> tuple[str, ...]:
    """The command line that runs a part."""
    return (sys.executable, "-m", "rtcdp.runtime.part", name)


def encode_settings(settings: Settings) -> bytes:
    """Settings as the one line of JSON that a part reads."""
    return msgspec.json.encode(settings, enc_hook=str) + b"\n"


def decode_settings(line: bytes) -> Settings:
    """The settings in a line that `encode_settings` wrote."""
    return msgspec.json.decode(line, type=Settings, dec_hook=_path_from)


def _path_from(kind: type, value: Any) -> Path:
    assert kind is Path, f"settings hold no {kind}"
    return Path(value)
