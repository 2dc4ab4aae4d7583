"""`python -m deploy.servers`, as people use it."""

import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pymongo import MongoClient

from deploy.servers.server_process import free_port
from rtcdp.runtime.settings import Settings
from tests.integration.servers.processes import processes_in

COMMAND = [sys.executable, "-m", "deploy.servers"]
ROOT = Path(__file__).parents[3]


@contextmanager
def running(*arguments):
    """The process, and its first line on standard output."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def run(*arguments):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_prints_what_rtcdp_needs_and_runs_until_it_is_told_to_stop(number, server_directory):
    port = free_port()
    with running("postgresql", "--port", port, "--dir", server_directory) as (process, line):
        assert line == f"--store postgresql://postgres@127.0.0.1:{port}/rtcdp"
        flag, url = line.split()
        assert Settings(**{flag.strip("-"): url}).store_kind == "postgresql"
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        process.send_signal(number)
        assert process.wait(180) == 0
        assert "Stopping" in process.stderr.read()
    assert processes_in(server_directory) == []


def test_data_is_kept_from_one_time_to_the_next(server_directory):
    for table, others in (("first", []), ("second", [("first",)])):
        with running("postgresql", "--port", 0, "--dir", server_directory) as (process, line):
            with psycopg.connect(line.split()[1]) as connection:
                rows = connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
                assert rows == others
                connection.execute(f"CREATE TABLE {table} (n int)")
            process.send_signal(signal.SIGTERM)
            assert process.wait(180) == 0


def test_every_server_says_what_rtcdp_is_told(server_directory):
    with running("kafka", "--port", 0, "--dir", server_directory / "kafka") as (_, line):
        flag, url = line.split()
        assert flag == "--log"
        assert Settings(log=url).log_kind == "kafka"
    with running("mongodb", "--port", 0) as (_, line):
        flag, url = line.split()
        assert flag == "--store"
        assert Settings(store=url).store_kind == "mongodb"
        with MongoClient(url) as client:
            assert client.admin.command("ping")["ok"] == 1.0
    spark = ("spark", "--port", 0, "--workers", 1, "--dir", server_directory / "spark")
    with running(*spark) as (process, line):
        assert line.startswith("RTCDP_SPARK_MASTER=spark://127.0.0.1:")
        assert process.stdout.readline().count(".jar") == 4


def test_a_server_that_ends_by_itself_ends_the_command(server_directory):
    with running("postgresql", "--port", 0, "--dir", server_directory) as (process, _):
        master = int((server_directory / "data" / "postmaster.pid").read_text().split()[0])
        subprocess.run(["/bin/kill", "-TERM", str(master)], check=True)
        assert process.wait(180) == 1
        assert "PostgreSQL has ended. Its last lines:" in process.stderr.read()


def test_a_port_that_is_taken_is_said_in_a_sentence(mongo_server):
    done = run("mongodb", "--port", mongo_server.port)
    assert done.returncode == 1
    assert f"port {mongo_server.port} of 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_jars_are_one_line_for_the_setting():
    done = run("jars")
    paths = [Path(path) for path in done.stdout.strip().split(",")]
    assert len(paths) == 4
    assert all(path.is_file() for path in paths)


def test_wrong_usage_has_its_exit_code():
    assert run("kafka", "--port", "high").returncode == 2
