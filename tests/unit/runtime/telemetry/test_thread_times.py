"""What threads take is told by their names, and never less of it than before."""

import threading
import time

from rtcdp.runtime.telemetry.thread_times import OTHER, ThreadTimes


def worked(name: str, over: threading.Event) -> threading.Thread:
    """A thread that has worked for a tenth of a second, and waits."""
    done = threading.Event()

    def work() -> None:
        while time.thread_time() < 0.1:
            pass
        done.set()
        over.wait()

    thread = threading.Thread(target=work, name=name)
    thread.start()
    assert done.wait(30)
    return thread


def test_what_a_thread_has_taken_stays_when_it_has_ended() -> None:
    times, over = ThreadTimes(), threading.Event()
    first, second = worked("worker_1", over), worked("worker_2", over)
    both = times.seconds()
    over.set()
    first.join()
    second.join()
    third = worked("worker_3", over)
    third.join()
    after = times.seconds()
    assert both["worker"] >= 0.15
    assert all(after[name] >= taken for name, taken in both.items())
    assert after[OTHER] >= both[OTHER] + 0.05
    assert sum(after.values()) <= time.process_time() + 0.2


def test_many_looks_never_tell_less() -> None:
    times = ThreadTimes()
    before = times.seconds()
    for _ in range(50):
        now = times.seconds()
        assert all(now[name] >= taken for name, taken in before.items())
        before = now
