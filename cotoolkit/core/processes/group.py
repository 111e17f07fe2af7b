"""Several processes of this machine that share one piece of work: started, heard and ended as one."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal, NamedTuple

import torch
import torch.distributed as dist

from cotoolkit.core.errors import ConfigError, CotoolkitError, RunFailed
from cotoolkit.core.importing.siblings import PACKAGE
from cotoolkit.core.importing.workers import without_script
from cotoolkit.core.processes.fork_server import process_context
from cotoolkit.core.processes.worker import WorkerSetting, become_worker, cores, manner_of_death
from cotoolkit.core.user_code import located

Tell = Callable[[Any], None]
"""Sends a message to the process that started the group. An error is this process's last word."""

Work = Callable[[torch.device, Tell], None]
"""What each process does, on its device, as one of the group `torch.distributed` knows; it must pickle."""

HERE = "127.0.0.1"

LONGEST_WAIT = timedelta(days=7)
"""Of one process for another: one that dies ends all, and whoever waits for one that hangs says for how long."""

TIME_TO_FOLLOW = 0.5
"""Seconds in which the others tell of a failure what they know."""

TIME_TO_LEAVE = 10.0
"""Seconds that a process has to end when it is asked to, before it is killed."""


class _Rank(NamedTuple):
    process: BaseProcess
    ear: Connection


class _LastWord(NamedTuple):
    """When and how a process ended; `exit_code` is set where it died without a word."""

    when: float
    error: CotoolkitError | None = None
    exit_code: int | None = None


class _Share(NamedTuple):
    """What one process is told when it starts."""

    rank: int
    world: int
    device: Literal["cpu", "cuda"]
    port: int
    setting: WorkerSetting
    work: Work


def run_group(
    work: Work, world: int, device: Literal["cpu", "cuda"], on_message: Callable[[Any], None] = lambda message: None
) -> None:
    """Do a piece of work in several processes. They end with this one however it ends, and with the first that fails.

    Args:
        work: what each does.
        world: how many there are.
        device: of all; each takes a GPU of its own.
        on_message: is given what they tell.

    Raises:
        ConfigError: there are not as many GPUs.
        CotoolkitError: of the process that failed first, if it was one of ours.
        RunFailed: that process raised anything else, left, or died; or one could not be started.
    """
    if device == "cuda" and world > torch.cuda.device_count():
        raise ConfigError(f"devices={world}: this machine has {torch.cuda.device_count()} GPUs")
    context = process_context(__name__)
    store = dist.TCPStore(HERE, 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]  # 0: any free port
    setting = WorkerSetting.of_this_process(threads=max(1, cores() // world))
    ranks: list[_Rank] = []
    try:
        for rank in range(world):
            ear, mouth = context.Pipe(duplex=False)
            share = _Share(rank, world, device, store.port, setting, work)
            process = context.Process(target=_take_part, args=(share, mouth))
            try:
                with without_script():
                    process.start()
            except (OSError, EOFError) as error:  # its fork server was killed
                raise RunFailed(f"process {rank + 1} of {world} could not be started: {error}") from None
            ranks.append(_Rank(process, ear))
            mouth.close()
        problem = _listen(ranks, on_message)
        if problem is not None:
            raise problem
        for one in ranks:
            one.process.join(TIME_TO_LEAVE)
    finally:
        _end(ranks)


def _listen(ranks: Sequence[_Rank], on_message: Callable[[Any], None]) -> CotoolkitError | None:
    """Pass on what the processes say until all have ended well, or one has not; what went wrong first, if anything."""
    last_words: dict[int, _LastWord] = {}
    until: float | None = None
    while len(last_words) < len(ranks) and (until is None or time.monotonic() < until):
        silent = [one for number, one in enumerate(ranks) if number not in last_words]
        wait([source for one in silent for source in (one.ear, one.process.sentinel)], until and TIME_TO_FOLLOW)
        for number, one in enumerate(ranks):
            if number not in last_words and (word := _hear(one, on_message)):
                last_words[number] = word
        if until is None and any(word.error for word in last_words.values()):
            until = time.monotonic() + TIME_TO_FOLLOW  # for the one that was killed, which the others lost
    for number, word in last_words.items():
        if word.exit_code is not None:
            return RunFailed(f"process {number + 1} of {len(ranks)} died {manner_of_death(word.exit_code)}")
    problems = [word for word in last_words.values() if word.error]
    return min(problems, key=lambda word: word.when).error if problems else None


def _hear(one: _Rank, on_message: Callable[[Any], None]) -> _LastWord | None:
    """Pass on what a process has said by now; its last word, if that is among it, or it is dead."""
    exit_code = one.process.exitcode  # first, so that of a process that has ended all is heard
    try:
        while one.ear.poll():
            when, message = one.ear.recv()
            if message is None or isinstance(message, CotoolkitError):
                return _LastWord(when, message)
            on_message(message)
    except (EOFError, OSError):
        one.process.join(TIME_TO_FOLLOW)
        exit_code = one.process.exitcode
    if exit_code is None:
        return None
    return _LastWord(time.monotonic(), RunFailed("it died"), exit_code)


def _end(ranks: Sequence[_Rank]) -> None:
    """End the processes that are left."""
    for one in ranks:
        one.process.terminate()
    for one in ranks:
        one.process.join(TIME_TO_LEAVE)
        one.process.kill()
        one.process.join()
        one.ear.close()


def _take_part(share: _Share, mouth: Connection) -> None:
    """What each process does."""

    def tell(message: Any) -> None:
        mouth.send((time.monotonic(), message))

    become_worker(share.setting)
    try:
        share.work(_join(share), tell)
    except BaseException as error:  # whatever somebody's code does: the others wait for this process
        ours = isinstance(error, CotoolkitError) and type(error).__module__.partition(".")[0] == PACKAGE
        tell(error if ours else RunFailed(located(error), traceback.format_exc()))
        os._exit(1)
    tell(None)
    dist.destroy_process_group()


def _join(share: _Share) -> torch.device:
    """Become one of the group; this process's device."""
    store = dist.TCPStore(HERE, share.port, is_master=False, timeout=LONGEST_WAIT)  # type: ignore[attr-defined]
    device = torch.device("cuda", share.rank) if share.device == "cuda" else torch.device("cpu")
    if share.device == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if share.device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=share.rank, world_size=share.world, timeout=LONGEST_WAIT)
    return device
