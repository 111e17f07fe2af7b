"""Work that never returns: what shows no sign of life for a stated time is ended, and where it hung is told."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from cotoolkit.core.errors import RunFailed

PATIENCE = 3600.0
"""Seconds without a sign of life after which a run is ended unless somebody says otherwise.

The slowest thing between two signs, an iteration or one gradient of an attack on a CPU, takes minutes.
"""

TICKS = 10
"""Parts of that time that are counted, so that a process that was suspended for hours loses one of them only."""

DEAF = 24
"""Times that time after which a process is ended in which no Python runs any more. Its clock goes on while the process
is suspended, so it is long: a job may be stopped for a day."""

_signs = 0


def sign_of_life() -> None:
    """Say that this process is getting on; called with each iteration and each gradient, it costs nothing."""
    global _signs  # noqa: PLW0603 - a counter of the process, which knows nothing of who reads it
    _signs += 1


class _Hangs(BaseException):
    """Raised in the main thread where it hangs; not an `Exception`, which somebody's code may catch."""


@contextlib.contextmanager
def watched(seconds: float | None, give_up: Callable[[RunFailed], None]) -> Iterator[None]:
    """End what is done inside if it shows no sign of life for too long.

    Python that hangs is interrupted where it is, and the process goes on. What cannot be interrupted, such as a wait in
    C, takes the process along: `give_up` is called first, or, if not even another thread can run, all stacks are
    written to standard error.

    Args:
        seconds: without a sign of life; None waits forever.
        give_up: is told before the process is ended.

    Yields:
        Nothing.

    Raises:
        RunFailed: it hung; the details are the stack.
    """
    if not seconds:
        yield
        return
    watch = _Watch(seconds, give_up)
    with watch:
        try:
            yield
        except _Hangs as hangs:
            raise RunFailed(str(hangs), traceback.format_exc()) from None


class _Watch:
    def __init__(self, seconds: float, give_up: Callable[[RunFailed], None]) -> None:
        self._seconds, self._give_up = seconds, give_up
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)
        # Signals reach the main thread alone; elsewhere, and where there are none, the process is ended.
        self._interrupts = threading.current_thread() is threading.main_thread() and hasattr(signal, "pthread_kill")

    def __enter__(self) -> None:
        sign_of_life()
        if self._interrupts:
            self._before = signal.signal(signal.SIGALRM, self._raise)
        self._arm()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()
        if self._interrupts:
            signal.signal(signal.SIGALRM, self._before)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if not self._over.is_set():
            raise _Hangs(self._line(frame))

    def _count(self) -> None:
        seen, idle, tick = _signs, 0, self._seconds / TICKS
        while not self._over.wait(tick):
            seen, idle = _signs, 0 if _signs != seen else idle + 1
            self._arm()
            if idle == TICKS and self._interrupts:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
            elif idle >= TICKS + 2:
                self._end()

    def _arm(self) -> None:
        """Postpone the end of the process by C, which comes where no Python runs any more."""
        if sys.__stderr__ is not None:
            faulthandler.dump_traceback_later(DEAF * self._seconds, exit=True, file=sys.__stderr__)

    def _end(self) -> None:
        frames = sys._current_frames()
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        stacks = [
            f"{names.get(number, 'a thread')}:\n{''.join(traceback.format_stack(frame))}"
            for number, frame in frames.items()
            if number != threading.get_ident()
        ]
        self._give_up(RunFailed(self._line(frames.get(threading.main_thread().ident or 0)), "\n".join(stacks)))
        os._exit(1)

    def _line(self, frame: FrameType | None) -> str:
        where = f", last in {Path(frame.f_code.co_filename).name}, line {frame.f_lineno}" if frame else ""
        return f"no sign of life for {self._seconds:g} s{where}; --patience SECONDS waits longer"
