"""Everything at once, as real processes."""

import os
import signal


def test_it_answers_counts_and_stops_with_all_its_parts(up, rtcdp, is_alive):
    running = up("--rate", "100")
    parts = running.parts()
    assert set(parts) == {"generator", "http", "processor"}
    first = running.admitted()
    running.wait_for(lambda: running.admitted() > first)
    # What comes first need not be a page view.
    recent = "/api/analytics/recent-page-views?minutes=5"
    running.wait_for(lambda: bool(running.client.get(recent).json()))
    assert running.stop() == 130
    assert not any(map(is_alive, parts.values()))
    verified = rtcdp("verify", "--data-dir", running.data_dir)
    assert (verified.returncode, verified.stdout[:14]) == (0, "no difference:")


def test_parts_that_are_killed_come_back_and_nothing_is_lost_or_counted_twice(up, rtcdp):
    running = up("--rate", "300")
    parts = running.parts()
    for name in ("processor", "http", "generator"):
        os.kill(parts[name], signal.SIGKILL)
        running.hear(f"{name}: died by signal 9; starting it again")
    running.wait_for(running.is_answering)
    before = running.admitted()
    running.wait_for(lambda: running.admitted() > before)
    assert running.stop(signal.SIGTERM) == 0
    assert running.lines_heard("received").endswith("✓")
    assert rtcdp("verify", "--data-dir", running.data_dir).returncode == 0


def test_parts_end_when_their_supervisor_is_killed(up, is_alive):
    running = up()
    parts = running.parts()
    running.stop(signal.SIGKILL)
    running.wait_for(lambda: not any(map(is_alive, parts.values())))


def test_a_second_one_and_a_second_processor_are_refused(up, rtcdp):
    running = up("--no-generate")
    running.parts()
    for command in (["up", "--port", "0"], ["process"]):
        refused = rtcdp(*command, "--data-dir", running.data_dir)
        assert (refused.returncode, "runs already" in refused.stderr) == (1, True)


def test_a_replay_finds_the_running_collector(up, rtcdp, shop):
    running = up("--no-generate")
    done = rtcdp("replay", shop, "--mapping", "rees46", "--data-dir", running.data_dir)
    assert (done.returncode, running.url in done.stdout) == (0, True)
    running.wait_for(lambda: running.admitted() == 500)
    assert running.stop() == 130
