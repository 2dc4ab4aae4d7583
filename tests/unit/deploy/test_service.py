"""What the unit of systemd says of rtcdp is true of rtcdp."""

import re
from configparser import ConfigParser
from pathlib import Path

from rtcdp.cli.app import COMMANDS, command_of
from rtcdp.cli.up import _parts
from rtcdp.errors import PartMissing, UsageError
from rtcdp.runtime.settings import PREFIX, all_settings, load, require_loopback

TEXT = (Path(__file__).parents[3] / "deploy" / "rtcdp.service").read_text()


def unit() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(TEXT)
    return parser


SERVICE = unit()["Service"]
ENVIRONMENT = dict(pair.split("=", 1) for pair in SERVICE["Environment"].split())


def test_it_runs_a_command_that_there_is_and_takes_no_events_of_its_own():
    program, command, *arguments = SERVICE["ExecStart"].split()
    assert program.endswith("/.venv/bin/rtcdp")
    assert command in COMMANDS
    context = command_of(command).make_context(command, list(arguments))
    assert context.params["no_generate"] is True


def test_its_settings_are_settings_and_lie_where_it_may_write():
    named = {*ENVIRONMENT, *re.findall(rf"\b{PREFIX}\w+(?==)", TEXT)}
    assert named <= {setting.variable for setting in all_settings()}
    settings = load({}, ENVIRONMENT)
    assert settings.data_dir.is_relative_to(f"/var/lib/{SERVICE['StateDirectory']}")
    require_loopback(settings)


def test_it_waits_as_long_as_stopping_may_take():
    parts = _parts(load({}, ENVIRONMENT), with_generator=True)
    assert int(SERVICE["TimeoutStopSec"]) > sum(part.grace_s for part in parts)
    assert SERVICE["KillMode"] == "mixed", "the supervisor stops its parts itself"


def test_what_a_restart_can_t_mend_is_not_started_again():
    forgone = set(map(int, SERVICE["RestartPreventExitStatus"].split()))
    assert UsageError.exit_code in forgone
    assert PartMissing.exit_code not in forgone


def test_it_may_open_a_file_for_every_connection():
    settings = load({}, ENVIRONMENT)
    assert int(SERVICE["LimitNOFILE"]) >= settings.http.max_connections + 256
