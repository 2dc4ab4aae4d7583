"""Every setting of an installation: its name, what it takes, and where its value comes from."""

from rtcdp.runtime.settings.declared import (
    KEY_VARIABLE,
    EngineName,
    Loaded,
    Settings,
    all_settings,
    load,
    load_with_origins,
    require_loopback,
    require_present,
    require_tracing,
    unknown_variables,
    values_of,
    without_password,
)
from rtcdp.runtime.settings.meanings import MEANINGS
from rtcdp.runtime.settings.setting import PREFIX, Setting

__all__ = [
    "KEY_VARIABLE",
    "MEANINGS",
    "PREFIX",
    "EngineName",
    "Loaded",
    "Setting",
    "Settings",
    "all_settings",
    "load",
    "load_with_origins",
    "require_loopback",
    "require_present",
    "require_tracing",
    "unknown_variables",
    "values_of",
    "without_password",
]
