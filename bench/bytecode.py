"""Modules are compiled once, as those of an installation are, where Python is to keep none."""

import sys
from pathlib import Path


def compiled(folder: Path) -> dict[str, str]:
    """What lets a first start compile its modules for those after it, as it does where a platform
    is installed: in a folder beside, where this process isn't to write such files."""
    if not sys.dont_write_bytecode:
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
