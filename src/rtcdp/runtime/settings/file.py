"""The file `rtcdp.toml`: what it sets, and whether code may be taken from where it says."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from rtcdp.errors import PartMissing, UsageError, did_you_mean

CODE = frozenset({"catalog", "spark.jars", "spark.conf"})
"""Settings that name code, which runs as the user does."""


def read_file(path: Path, known: Collection[str]) -> dict[str, object]:
    """What the file sets, by keys like `section.name`, as TOML gives it.

    Raises `PartMissing` when it is not there, and `UsageError` when it can't be read or sets
    something that is not among `known`.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PartMissing(f"there is no file {path}", "name one that exists") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}", "make it a readable text") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}", "correct that line") from error
    sections = {key.partition(".")[0] for key in known if "." in key}
    found: dict[str, object] = {}
    for name, value in content.items():
        if name in sections and isinstance(value, dict):
            found |= {f"{name}.{inner}": inner_value for inner, inner_value in value.items()}
        else:
            found[name] = value
    for key in found:
        if key not in known:
            raise _unknown(key, path, known)
    return found


def code_named_by(chosen: Mapping[str, object]) -> dict[str, object]:
    """Those of the settings of a file that name code."""
    return {key: value for key, value in chosen.items() if key in CODE and value not in (None, "")}


def refused_code(path: Path, named: Mapping[str, object]) -> UsageError:
    """For a file that nobody named and that would have code run."""
    listed = ", ".join(f"{key} = {value}" for key, value in named.items())
    return UsageError(
        f"{path} of this folder names code to run, and nobody said to read it: {listed}",
        f"look at it, then say so: --config {path}, or RTCDP_CONFIG={path}",
    )


def _unknown(key: str, path: Path, known: Collection[str]) -> UsageError:
    section, dot, _ = key.rpartition(".")
    allowed = [k for k in known if k.rpartition(".")[0] == section]
    if not dot:
        allowed += sorted({f"[{k.partition('.')[0]}]" for k in known if "." in k})
    names = [k.removeprefix(section + dot) for k in allowed]
    return UsageError(
        f"{path} sets {key}, and there is no such setting",
        f"{did_you_mean(key.removeprefix(section + dot), names)}use one of: {', '.join(names)}",
    )
