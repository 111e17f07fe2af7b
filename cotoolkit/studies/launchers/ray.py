"""Runs as tasks of a Ray cluster: one that is joined, or one of this machine that is started and ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from typing_extensions import override

from cotoolkit.core.device import Device
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.processes.worker import cores
from cotoolkit.studies.launchers.elsewhere import AT_ONCE, RunsElsewhere, train_elsewhere
from cotoolkit.studies.launchers.launcher import Events, Launcher
from cotoolkit.studies.launchers.resources import USUAL, Resources
from cotoolkit.studies.launchers.tasks import Ended, Surroundings, Task

log = logging.getLogger(__name__)

OBJECT_STORE = 80 * 2**20
"""Bytes of shared memory that a cluster of this machine takes, near the least there can be: tasks are small."""

WAIT = 0.25
"""Seconds for which to wait for tasks before looking at their progress."""

KNOCK = 10.0
"""Seconds in which a cluster has to answer."""


@dataclass(frozen=True)
class RayTasks(Launcher):
    """Tasks of a Ray cluster. The machines have cotoolkit installed, and see the root under the same path.

    Attributes:
        jobs: runs at a time; None means as many as there is room for.
        resources: of each run, which Ray reserves. A part of a GPU lets several runs share one.
        address: of a running cluster, or None: that of the variable RAY_ADDRESS, or else a cluster of this machine,
            which ends with the study. A cluster that this process has joined already is used as it is.
    """

    jobs: int | None = None
    resources: Resources = USUAL
    address: str | None = None

    @override
    def train(self, tasks: Sequence[Task]) -> Events:
        with self._cluster() as (ray, joined):
            reserved = self._reserved(ray.nodes(), tasks[0].device, joined)
            train = ray.remote(max_retries=0, **reserved)(train_elsewhere)
            surroundings, runs = Surroundings.here(), RunsElsewhere()
            waiting = list(reversed(tasks))
            under_way: dict[Any, Task] = {}
            try:
                while waiting or under_way:
                    while waiting and len(under_way) < min(self.jobs or AT_ONCE, AT_ONCE):
                        task = waiting.pop()
                        under_way[train.remote(task, surroundings, self.resources.cpus)] = task
                    done, _ = ray.wait(list(under_way), num_returns=len(under_way), timeout=WAIT)
                    for reference in done:
                        task = under_way.pop(reference)
                        end = _end(ray, reference, task, runs)
                        if end is None:
                            waiting.append(task)
                        else:
                            yield from runs.ended(task, end)
                    yield from runs.updates(under_way.values())
            except BaseException:
                # Ctrl-C, or a display that broke: runs are cut off, and resume from their last epoch.
                for reference in under_way:
                    ray.cancel(reference, force=True)
                raise

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[tuple[ModuleType, bool]]:
        """Ray, and whether the cluster is somebody's whom we only join."""
        ray = _import_ray()
        if ray.is_initialized():
            yield ray, True
            return
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        own: dict[str, Any] = {}
        if address == "local":
            cpus = (self.jobs or 0) * self.resources.cpus or cores()
            own = {"num_cpus": cpus, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
        try:
            _knock(address)
            with _our_sigterm():
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (OSError, ValueError, RuntimeError) as error:  # a ConnectionError is an OSError
            raise ConfigError(f"no Ray cluster at {address}: {' '.join(str(error).split())}") from None
        try:
            yield ray, address != "local"
        finally:
            ray.shutdown()

    def _reserved(self, nodes: Sequence[dict[str, Any]], device: Device, joined: bool) -> dict[str, float]:
        """What each task reserves.

        Raises:
            ConfigError: this machine does not have that. A cluster that was joined may grow, and is waited for.
        """
        machines = [node["Resources"] for node in nodes if node["Alive"]]
        gpus = self.resources.gpus_on(device, any("GPU" in machine for machine in machines))
        if not any(one.get("CPU", 0) >= self.resources.cpus and one.get("GPU", 0) >= gpus for one in machines):
            shown = "; ".join(f"{one.get('CPU', 0):g} CPUs and {one.get('GPU', 0):g} GPUs" for one in machines)
            lacks = f"a run takes {self.resources.cpus} CPUs and {gpus:g} GPUs, but Ray found {shown or 'nothing'}"
            if not joined:
                raise ConfigError(f"{lacks}; ask for less, or join a cluster")
            log.warning("%s; waiting for a larger machine to join the cluster", lacks)
        return {"num_cpus": self.resources.cpus, "num_gpus": gpus}


def _end(ray: ModuleType, reference: Any, task: Task, runs: RunsElsewhere) -> Ended | None:
    """How a task that is over ended; None where it died and is to be tried again."""
    try:
        end: Ended = ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # before the run began: an import in that process, for example
        return task.fail(str(error))
    except ray.exceptions.RayError as error:
        return runs.died(task, " ".join(str(error).split()))
    return end


def _knock(address: str) -> None:
    """Find out in seconds whether anything answers there: Ray itself asks for minutes.

    Raises:
        OSError: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCK).close()


def _import_ray() -> ModuleType:
    """Ray, which sends no statistics, and whose workers are this Python and not another `uv run`.

    Raises:
        ConfigError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray is not installed; pip install 'cotoolkit[ray]'") from None
    return ray


@contextlib.contextmanager
def _our_sigterm() -> Iterator[None]:
    """Keep what this process does on SIGTERM, which `ray.init` changes."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)
