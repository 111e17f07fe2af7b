"""One process at a time, with flock and without; a dead holder's lock is taken over, on this machine or another."""

import errno
import fcntl
import multiprocessing
import os
import signal
import socket
import sys
import time

import pytest

from cotoolkit.core.errors import RunError, RunInUse
from cotoolkit.runs import lock as lock_module
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.lock import RunLock
from cotoolkit.runs.metrics import Metrics

SPAWN = multiprocessing.get_context("spawn")


def without_flock(number):
    def flock(file, operation):
        raise OSError(number, os.strerror(number))

    return flock


def hold(path, ready, number, host, lease):
    """Another process that holds the lock, on a file system without flock or on another host if asked to."""
    if number:
        fcntl.flock = without_flock(number)
    if host:
        socket.gethostname = lambda: host
    lock_module.LEASE, lock_module.HEARTBEAT = lease, lease / 6
    with RunLock(path).held(wait=False):
        ready.set()
        time.sleep(300)


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds the lock of a folder."""
    started = []

    def start(number=0, host="", lease=lock_module.LEASE):
        ready = SPAWN.Event()
        process = SPAWN.Process(target=hold, args=(tmp_path, ready, number, host, lease), daemon=True)
        process.start()
        started.append(process)
        assert ready.wait(120)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


@pytest.fixture
def short(monkeypatch):
    """Leases of two seconds."""
    monkeypatch.setattr(lock_module, "LEASE", 2.0)
    monkeypatch.setattr(lock_module, "HEARTBEAT", 2.0 / 6)
    return 2.0


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_without_flock_the_lease_alone_is_held_and_let_go(number, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", without_flock(number))
    with RunLock(tmp_path).held(wait=False):
        assert (tmp_path / ".lease").exists()
    assert not (tmp_path / ".lease").exists()
    with RunLock(tmp_path).held(wait=False):
        pass


@pytest.mark.parametrize("number", [0, errno.ENOLCK])
def test_a_live_holder_keeps_it_and_a_killed_one_loses_it_at_once(number, tmp_path, monkeypatch, holder, short):
    if number:
        monkeypatch.setattr(fcntl, "flock", without_flock(number))
    process = holder(number, lease=short)
    with pytest.raises(RunInUse, match="another process is training this run"), RunLock(tmp_path).held(wait=False):
        pass
    process.kill()
    process.join()
    start = time.monotonic()
    with RunLock(tmp_path).held(wait=False):
        assert time.monotonic() - start < short / 2  # its process is known to be gone


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="zombies are seen in /proc")
@pytest.mark.parametrize("wait", [False, True])
def test_a_killed_one_loses_it_at_once_though_nobody_has_buried_it(wait, tmp_path, holder):
    process = holder()
    os.kill(process.pid, signal.SIGKILL)  # which is not waited for, as by no one in a container without an init process
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    os.kill(process.pid, 0)  # it is still listed
    start = time.monotonic()
    with RunLock(tmp_path).held(wait=wait):
        assert time.monotonic() - start < lock_module.LEASE / 2


@pytest.mark.parametrize("wait", [False, True])
def test_a_holder_that_died_on_another_host_loses_it_after_the_lease(wait, tmp_path, holder, short):
    process = holder(host="elsewhere", lease=short)
    process.kill()
    process.join()
    assert "host=elsewhere" in (tmp_path / ".lease").read_text()
    start = time.monotonic()
    with RunLock(tmp_path).held(wait=wait):
        assert time.monotonic() - start >= short


def test_a_holder_that_lives_on_another_host_keeps_it_though_flock_is_granted_here(
    tmp_path, monkeypatch, holder, short
):
    monkeypatch.setattr(fcntl, "flock", lambda file, operation: None)  # a flock that other hosts do not see
    holder(errno.ENOLCK, host="elsewhere", lease=short)
    for _ in range(2):
        with pytest.raises(RunInUse, match="another process is training"), RunLock(tmp_path).held(wait=False):
            pass


def sleep_then_write(path, ready, go, found):
    fcntl.flock = without_flock(errno.ENOLCK)
    lock_module.LEASE, lock_module.HEARTBEAT = 2.0, 2.0 / 6
    folder = RunFolder(path)
    with folder.lock():
        folder.write_progress(Metrics(), [])
        ready.set()
        go.wait(120)
        try:
            folder.write_progress(Metrics(), [])
        except RunInUse as error:
            found.put(str(error))


def test_a_process_that_stood_still_without_flock_writes_nothing_more(tmp_path, monkeypatch, short):
    monkeypatch.setattr(fcntl, "flock", without_flock(errno.ENOLCK))
    ready, go, found = SPAWN.Event(), SPAWN.Event(), SPAWN.Queue()
    sleeper = SPAWN.Process(target=sleep_then_write, args=(tmp_path, ready, go, found), daemon=True)
    sleeper.start()
    assert ready.wait(120)
    os.kill(sleeper.pid, signal.SIGSTOP)
    folder = RunFolder(tmp_path)
    with folder.lock(wait=True):
        os.kill(sleeper.pid, signal.SIGCONT)
        go.set()
        assert "took this run over while this one stood still" in found.get(timeout=60)
        sleeper.join(60)
        folder.write_progress(Metrics(), [])  # the sleeper, which has ended, left this lease alone


def test_a_process_stopped_on_this_machine_keeps_it(tmp_path, holder, short):
    process = holder(lease=short)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1.5 * short)
    with pytest.raises(RunInUse), RunLock(tmp_path).held(wait=False):
        pass


def test_two_that_wait_take_turns(tmp_path, monkeypatch, short):
    monkeypatch.setattr(fcntl, "flock", without_flock(errno.ENOTSUP))
    ready, turns = SPAWN.Barrier(2), SPAWN.Queue()
    processes = [SPAWN.Process(target=take_turns, args=(tmp_path, ready, turns), daemon=True) for _ in range(2)]
    for process in processes:
        process.start()
    seen = [turns.get(timeout=120) for _ in range(40)]
    assert all(first[0] == second[0] for first, second in zip(seen[::2], seen[1::2], strict=True))
    assert {one[0] for one in seen} == {process.pid for process in processes}


def take_turns(path, ready, turns):
    fcntl.flock = without_flock(errno.ENOTSUP)
    lock_module.LEASE, lock_module.HEARTBEAT = 2.0, 2.0 / 6
    ready.wait(120)
    for _ in range(10):
        with RunLock(path).held(wait=True):
            turns.put((os.getpid(), "in"))
            time.sleep(0.01)
            turns.put((os.getpid(), "out"))
            time.sleep(0.01)
        time.sleep(0.02)


def test_a_folder_that_cannot_be_locked_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    lock = RunLock(tmp_path / "file" / "run")
    with pytest.raises(RunError, match=r"cannot be locked \(.*\); mend that") as caught, lock.held(wait=False):
        pass
    assert "\n" not in str(caught.value)
