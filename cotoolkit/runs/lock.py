"""One process at a time trains a run, on this machine and on all that share its root.

Two locks are held together, since neither is enough:

- `flock` is exact between processes of one machine: the system takes it from a process that dies, and never from one
  that was only stopped. But some file systems have none (NFS without its lock service, Lustre mounted without flock),
  and on others (BeeGFS by default, Lustre with localflock) it succeeds and excludes nobody on other machines. Nothing
  tells those apart from inside, so a lock that was granted proves nothing about other machines.
- a *lease* is a file whose holder renews it every few seconds. It needs nothing but that one process alone can create a
  file and that all see its time change, as on any shared file system. A holder whose process is gone is found out at
  once on its own machine, and from any other after `LEASE` seconds without a sign of life. But a holder that was
  stopped for that long is taken for dead.

So without flock the lease alone decides, and with it a process that slept on this machine keeps its run. A process that
slept, and lost its lease meanwhile, finds out before it writes anything (`RunLock.check`): two never write to one run.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from cotoolkit.core.errors import RunError, RunInUse

LEASE = 30.0
"""Seconds without a sign of life after which a holder on another machine is taken for dead; all have to agree on it."""

HEARTBEAT = 5.0
"""Seconds between two signs of life."""

POLL = 0.25
"""Seconds between two attempts to get a lock."""

START = 19
"""Place of the start time in what Linux says of a process after its name."""

WITHOUT_FLOCK = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""How file systems say that they have no flock."""


class RunLock:
    """The lock of one run's folder.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lease: filelock.SoftFileLease | None = None

    @contextlib.contextmanager
    def held(self, *, wait: bool) -> Iterator[None]:
        """Hold the lock, which dies with the process.

        Args:
            wait: until another process lets go of it.

        Raises:
            RunInUse: another process holds it, and nobody waits. Whether a holder on another machine is alive takes up
                to `LEASE` seconds to tell.
            RunError: the folder cannot be made or locked.
        """
        with contextlib.ExitStack() as held:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                exact = self._take_flock(held, wait)
                self._lease = self._take_lease(held, wait, exact)
            except filelock.Timeout:
                raise RunInUse(f"{self._folder}: another process is training this run") from None
            except OSError as error:
                raise RunError(
                    f"{self._folder}: cannot be locked ({error.strerror}); mend that, or choose another --root"
                ) from None
            try:
                yield
            finally:
                self._lease = None

    def check(self) -> None:
        """Ask before anything is written whether a lock that this object took is still its own.

        Raises:
            RunInUse: another process has taken it.
        """
        if self._lease is None:
            return
        owner = self._lease.owner
        if owner is None or owner.token != self._lease.token:
            raise RunInUse(
                f"{self._folder}: another process took this run over while this one stood still; "
                "the same command goes on"
            )

    def _take_flock(self, held: contextlib.ExitStack, wait: bool) -> bool:
        """Take the exact lock; False where the file system has none."""
        lock = filelock.FileLock(self._folder / ".lock", fallback_to_soft=False, poll_interval=POLL)
        try:
            held.enter_context(lock.acquire(timeout=-1 if wait else 0))
        except filelock.Timeout:
            raise
        except OSError as error:
            if error.errno not in WITHOUT_FLOCK:
                raise
            return False
        return True

    def _take_lease(self, held: contextlib.ExitStack, wait: bool, exact: bool) -> filelock.SoftFileLease:
        """Take the lease, or leave it to a holder that shows a sign of life.

        With the exact lock held no other process of this machine is here, so the lease of one that has died is removed.
        """
        path = self._folder / ".lease"
        lease = filelock.SoftFileLease(path, lease_duration=LEASE, heartbeat_interval=HEARTBEAT, poll_interval=POLL)
        seen = _renewed(path)
        while True:
            try:
                held.enter_context(lease.acquire(timeout=0))
                return lease
            except filelock.Timeout:
                if exact and _is_zombie(lease.owner):
                    path.unlink(missing_ok=True)
                    continue
                if not wait and _renewed(path) not in (seen, None):
                    raise
            time.sleep(POLL)


def _renewed(lease: Path) -> tuple[int, int] | None:
    """What changes with each sign of life of a lease's holder; None where there is none."""
    try:
        found = lease.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _is_zombie(owner: Any) -> bool:
    """Whether a lease's holder, as filelock has it, is a process of this machine that has ended, but is still listed.

    Any signal reaches it, so filelock takes it for alive; and where no init process waits for orphans, as in many a
    container, it stays for good.
    """
    if owner is None or owner.start is None or not owner.hostname.startswith(socket.gethostname()):
        return False
    try:
        found = Path(f"/proc/{owner.pid}/stat").read_text()
    except OSError:  # no such process, or no Linux
        return False
    fields = found.rpartition(")")[2].split()  # a name may hold brackets and spaces
    return fields[0] == "Z" and int(fields[START]) == owner.start % 2**64
