"""Where our processes come from: copies of one that has imported torch and this project, and done nothing else.

A new Python needs 2.5 seconds of processor time for that, in each worker of each study; a copy begins in a tenth of
that, and shares the memory. Only Linux copies processes safely. Elsewhere, and wherever a copy would differ from a
process that this one starts, each starts anew.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any

from cotoolkit.core.processes import in_server

BESIDE = str(Path(__file__).parents[3])
"""The folder that this project is in."""

READ_AT_START = ("PYTHON", "LD_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "TORCH", "LC_", "LANG", "TZ")
"""How variables begin that Python and libraries read once."""

HARMLESS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONBREAKPOINT")
"""Some that begin so and make no difference: `WorkerSetting` answers for threads, and the last, which Ray sets in its
driver, is read anew at each breakpoint."""

_starting = threading.Lock()
_inherited: tuple[Any, ...] | None = None
"""What this process passed on to the server when that was started."""


def process_context(module: str) -> ForkServerContext | SpawnContext:
    """What starts our processes; they have to become workers first (`core.processes.worker`).

    Args:
        module: of ours, that such a process needs. The first that is asked for is imported before the copies are made.

    Returns:
        A context of `multiprocessing`; its server runs, if it has one.
    """
    possible = sys.platform.startswith("linux") and not sys.flags.ignore_environment
    plain = all(isinstance(place, str) for place in sys.path)  # or `multiprocessing` writes what no Python reads
    if possible and plain and _server_runs(module):
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def environment_now() -> dict[str, str]:
    """The variables of this process, without those of a server that another thread is starting."""
    with _starting:
        return dict(os.environ)


def _server_runs(module: str) -> bool:
    """Start the server unless there is one; whether its copies are as processes that this one starts."""
    global _inherited  # noqa: PLW0603 - of the server, of which a process has one
    server: Any = forkserver._forkserver
    with _starting:
        try:
            if server._forkserver_pid is not None and not _ended(server._forkserver_pid):
                return _inherited == _passed_on() and os.path.exists(server._forkserver_address)  # noqa: PTH110
            _inherited = _passed_on()
            resource_tracker.ensure_running()
            forkserver.set_forkserver_preload([module, in_server.__name__])
            with _own_path(), _without_interrupt():
                forkserver.ensure_running()
        except OSError:  # no place for its socket; or it is of the process that this one is a copy of
            return False
    return True


def _ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _passed_on() -> tuple[Any, ...]:
    """What a process has from the one that starts it, but for what `WorkerSetting` holds."""
    import resource  # which only some systems have

    status = Path("/proc/self/status").read_text(encoding="utf-8")
    mask = next((line for line in status.splitlines() if line.startswith("Umask")), "")
    read = {
        name: value for name, value in os.environ.items() if name.startswith(READ_AT_START) and name not in HARMLESS
    }
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    return read, mask, limits, os.nice(0), os.sched_getaffinity(0), [_place(number) for number in range(3)]


def _place(stream: int) -> tuple[int, int] | None:
    """Where a standard stream leads."""
    try:
        found = os.fstat(stream)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def _own_path() -> Iterator[None]:
    """A Python that is started inside finds modules where this one does, but for the folder that it is started in.

    There a user's file may have the name of a module of ours.
    """
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (*sys.path, BESIDE)))
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ[in_server.BEFORE] = json.dumps(before)
    try:
        yield
    finally:
        in_server.restore_environment()


@contextlib.contextmanager
def _without_interrupt() -> Iterator[None]:
    """A process that is started inside does not hear Ctrl-C, which is for this one to answer."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
