import contextlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from cotoolkit.core.errors import RunFailed
from cotoolkit.core.processes.patience import sign_of_life, watched


def refuse(failure):
    raise AssertionError("it could be interrupted")


def sleep():
    time.sleep(60)


def spin():
    while True:
        pass


def wait_for_a_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def catch_exceptions():
    while True:
        with contextlib.suppress(Exception):
            time.sleep(60)


@pytest.mark.parametrize("hang", [sleep, spin, wait_for_a_lock, catch_exceptions])
def test_python_that_hangs_is_interrupted_and_says_where(hang):
    before, start = signal.getsignal(signal.SIGALRM), time.monotonic()
    line = r"no sign of life for 0\.5 s, last in .*\.py, line \d+"
    with pytest.raises(RunFailed, match=line) as caught, watched(0.5, refuse):
        hang()
    assert 0.4 < time.monotonic() - start < 30
    assert f"in {hang.__name__}" in caught.value.details
    assert signal.getsignal(signal.SIGALRM) is before


def test_what_shows_life_may_take_as_long_as_it_likes():
    with watched(1.0, refuse):
        for _ in range(100):
            time.sleep(0.02)
            sign_of_life()


def test_nobody_watches_who_waits_forever():
    before = threading.active_count()
    with watched(None, refuse), watched(0, refuse):
        assert threading.active_count() == before


def test_other_failures_pass():
    with pytest.raises(ZeroDivisionError), watched(60, refuse):
        raise ZeroDivisionError


PROGRAM = """
import ctypes, time
from cotoolkit.core.processes.patience import watched

def stubborn():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def in_c():
    ctypes.PyDLL(None).sleep(600)  # no other thread runs meanwhile

with watched(0.5, lambda failure: print("gave up:", failure, failure.details, flush=True)):
    {hang}()
"""


@pytest.mark.parametrize(("hang", "said"), [("stubborn", "gave up: no sign of life for 0.5 s"), ("in_c", "Timeout (")])
def test_what_cannot_be_interrupted_takes_its_process_along(hang, said):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(hang=hang)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    assert hang in done.stdout + done.stderr


def test_a_suspended_process_is_not_taken_for_one_that_hangs(tmp_path):
    program = (
        "import time\nfrom cotoolkit.core.processes.patience import sign_of_life, watched\n"
        "with watched(2.0, print):\n"
        "    print('begun', flush=True)\n"
        "    for _ in range(40):\n        time.sleep(0.05)\n        sign_of_life()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    process.send_signal(signal.SIGCONT)
    assert process.wait(60) == 0
