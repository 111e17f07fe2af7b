"""Work in slices of time: a long comparison stops after some minutes, and the same command goes on."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from cotoolkit.core.errors import ConfigError


class SliceOver(BaseException):
    """The time is over. No `Exception`, so that nothing that goes on after failures takes it for one."""


class TimeSlice:
    """A slice of time.

    Attributes:
        over: whether it ended before the work did.
    """

    def __init__(self) -> None:
        self.over = False


@contextlib.contextmanager
def time_slice(minutes: float | None) -> Iterator[TimeSlice]:
    """End the work inside after some minutes, wherever it is; what was saved or measured stays.

    Args:
        minutes: None means no end.

    Yields:
        The slice, which afterwards says whether the time was over first.

    Raises:
        ConfigError: the system has no alarm clock for processes.
    """
    part = TimeSlice()
    if minutes is None:
        yield part
        return
    if not hasattr(signal, "setitimer"):
        raise ConfigError("--slice-minutes needs the signal SIGALRM, which this system lacks; leave it out")

    def ring(number: int, frame: object) -> None:
        raise SliceOver

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    try:
        yield part
    except SliceOver:
        part.over = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
