"""Writes docs/settings.md: `python -m rtcdp.runtime.settings.reference [PAGE]`.

`--check` compares it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rtcdp.runtime.settings import all_settings
from rtcdp.runtime.settings.setting import Setting
from rtcdp.runtime.written_page import write_or_check

PAGE = Path("docs/settings.md")


def main(arguments: Sequence[str]) -> int:
    """Write or check the page; returns the exit code: 0 done, 1 out of date, 2 wrong usage."""
    return write_or_check(
        arguments, PAGE, lambda _: settings_page(), "rtcdp.runtime.settings.reference"
    )


def settings_page() -> str:
    """The page docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "<!-- Written by `python -m rtcdp.runtime.settings.reference`; a test compares it. -->",
        "",
        "Flags go over environment variables, those over `rtcdp.toml`, that over the defaults.",
        "`rtcdp.toml` is read from the current folder, or from where `--config` or `RTCDP_CONFIG`",
        "says. Paths in it are relative to it. A key with a dot stands in a section of the file:",
        "`admission.allowed_lateness_ms = 60_000` is the same as `allowed_lateness_ms = 60_000`",
        "below `[admission]`. An unknown key or a bad value stops the program with exit code 2.",
        "`rtcdp config` shows the settings in force, and where each comes from.",
        "",
        "`catalog`, `spark.jars` and `spark.conf` name code. They are taken from flags,",
        "variables, and a file that `--config` or `RTCDP_CONFIG` names. If a file that was just",
        "found in the current folder sets them, the program asks on a terminal, and stops with",
        "exit code 2 elsewhere.",
        "",
        "What processes tell goes to standard error, and from the parts of `rtcdp up` to its",
        "output: an entry has a time, a level and a part, as text, or with `--log-format json` as",
        "one object a line. A warning that comes again is told once a minute, with how often it",
        "came; and when what was away is back again, that is told as well.",
        "",
        "Exit codes: 0 done, 1 a check failed or a file is damaged, 2 wrong usage, 3 a part that",
        "is needed is not there, 130 stopped by Ctrl-C, or before the work was done.",
        "",
        "| key | variable | default | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{s.key}` | `{s.variable}` | {_shown_default(s)} | {s.meaning} |"
        for s in all_settings()
    ]
    return "\n".join([*lines, ""])


def _shown_default(setting: Setting) -> str:
    default = setting.default
    if default in (None, ""):
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:_}`" if isinstance(default, int) and default > 9999 else f"`{default}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
