"""A process that another one of ours started: what it does first, and how it died."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import faulthandler
import gc
import io
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.util import Finalize
from typing import NamedTuple

from cotoolkit.core.importing.siblings import SIBLINGS
from cotoolkit.core.processes.fork_server import environment_now

STDERR = 2
"""The last of the standard streams, which stay open."""

LOOK_EVERY = 1.0
"""Seconds between two looks whether the fork server is still there."""


class WorkerSetting(NamedTuple):
    """What a worker process has from the one that starts it; it can be pickled.

    Attributes:
        names: of packages that mean ours, see `SIBLINGS`.
        environment: its variables.
        threads: that torch may use.
    """

    names: frozenset[str]
    environment: dict[str, str]
    threads: int

    @classmethod
    def of_this_process(cls, threads: int = 1) -> WorkerSetting:
        """As it is now."""
        return cls(frozenset(SIBLINGS.claimed), environment_now(), threads)


def become_worker(setting: WorkerSetting) -> None:
    """Make this process one of several: few threads, an end with the process that started it, a trace if it crashes.

    Ctrl-C reaches all processes of a terminal. Which of them end is for the one that started them to say.
    """
    import torch

    # Processes that a user's code starts, such as those of a DataLoader, end with this one; a nested server would not.
    multiprocessing.set_start_method("spawn", force=True)
    gc.freeze()  # what is imported by now lives as long as the process: nobody has to look through it for cycles
    os.environ.clear()
    os.environ |= setting.environment
    Finalize(None, _end_as_python_does, exitpriority=0)
    end_with_parent()
    SIBLINGS.claim(setting.names)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which the fork server blocks
    torch.set_num_threads(setting.threads)
    torch.default_generator.seed()  # else all copies draw the same numbers where nobody seeds
    if sys.stderr is not None:
        faulthandler.enable()


def _end_as_python_does() -> None:
    """What a copied process leaves out at its end, and a user's code may count on.

    Files that were open before it became a worker are the server's, and hidden from this search.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    # The youngest first: a file that compresses closes the one that it writes to, and not the other way round.
    for one in reversed(gc.get_objects()):
        if issubclass(type(one), io.IOBase):
            with contextlib.suppress(Exception):  # a user's file may raise anything
                one.flush() if one.fileno() <= STDERR else one.close()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).fflush(None)  # what code in C has printed


def end_with_parent() -> None:
    """From now on, end this process when the one that started it is gone, even if that was killed.

    It would hold a run's lock, or a GPU. If the fork server is gone, the one that started this takes it for dead.
    """
    threading.Thread(target=_wait_for_parent, args=(os.getppid(),), daemon=True).start()


def _wait_for_parent(of_system: int) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive() and os.getppid() == of_system:
        parent.join(LOOK_EVERY)
    os._exit(1)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def manner_of_death(exit_code: int) -> str:
    """How a process died, for a sentence.

    >>> manner_of_death(-9), manner_of_death(3)
    ('by SIGKILL; out of memory?', 'with exit code 3')

    Args:
        exit_code: as `multiprocessing` gives it: minus the signal where one killed it.

    Returns:
        Its signal or its exit code in words.
    """
    if exit_code >= 0:
        return f"with exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"by {name}; out of memory?" if name == "SIGKILL" else f"by {name}"
