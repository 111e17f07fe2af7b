"""Two processes that train together over gloo."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch.distributed as dist

PATIENCE = 60
"""Seconds after which two processes that wait for each other are given up."""


def _one_of_two(work: Callable[[int], Any], rank: int, folder: Path) -> None:
    group = f"file://{folder}/group"
    dist.init_process_group("gloo", init_method=group, rank=rank, world_size=2, timeout=timedelta(seconds=PATIENCE / 2))
    (folder / f"{rank}.json").write_text(json.dumps(work(rank)))
    dist.destroy_process_group()


def in_two_processes(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)` returns in either of two processes of one group, as JSON data; a failure in one is one here."""
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_one_of_two, args=(work, rank, folder), daemon=True) for rank in (0, 1)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(PATIENCE)
            assert process.exitcode == 0, "it failed, or waits for the other one"
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
