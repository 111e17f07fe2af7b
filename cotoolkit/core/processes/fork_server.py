"""Where our processes come from: copies of one that has imported torch and this project, and done nothing else.

A new Python needs 2.5 seconds of processor time for that, in each worker of each study; a copy needs none, and shares
the memory. Only Linux copies processes safely; elsewhere each starts anew.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext


def process_context(module: str) -> ForkServerContext | SpawnContext:
    """What starts our processes; they have to become workers first (`core.processes.worker`).

    Args:
        module: of ours, that such a process needs. The first that is asked for is imported before the copies are made.

    Returns:
        A context of `multiprocessing`.
    """
    if not sys.platform.startswith("linux") or sys.flags.ignore_environment:
        return multiprocessing.get_context("spawn")
    forkserver.set_forkserver_preload([module])
    with _path_of_this_process():
        forkserver.ensure_running()
    return multiprocessing.get_context("forkserver")


@contextlib.contextmanager
def _path_of_this_process() -> Iterator[None]:
    """A Python that is started inside finds the modules that this one finds.

    Left alone it would look first in the folder that it is started in, where a user's file may be called as one of
    them.
    """
    before = dict(os.environ)
    os.environ |= {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place), "PYTHONSAFEPATH": "1"}
    try:
        yield
    finally:
        set_environment(before)


def set_environment(variables: Mapping[str, str]) -> None:
    """Let this process have these variables and no others."""
    os.environ.clear()
    os.environ |= variables
