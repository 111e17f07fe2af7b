"""Several processes that train one network: what they have to agree on. With one process nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import torch
import torch.distributed as dist

from cotoolkit.core.user_code import describe

T = TypeVar("T")


def rank_and_world() -> tuple[int, int]:
    """This process's rank, and how many processes there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def broadcast_from_rank0(value: T) -> T:
    """The first process's value, in every process. It must be possible to pickle it."""
    if rank_and_world()[1] == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def taken_by_rank0(measure: Callable[[], T]) -> T:
    """What the first process alone measures, in every process. A failure there ends the group, see `processes.group`.

    Args:
        measure: gives the value, which it must be possible to pickle.

    Returns:
        The value, in every process.
    """
    return cast("T", broadcast_from_rank0(measure() if rank_and_world()[0] == 0 else None))


def computed_by_rank0(compute: Callable[[], T]) -> T:
    """The first process's value of what every process computes. In the others it may fail without further ado.

    Args:
        compute: gives the value, which it must be possible to pickle.

    Returns:
        The value, in every process.

    Raises:
        RuntimeError: it failed in the first of several processes. A single process raises the failure itself.
    """
    if rank_and_world()[1] == 1:
        return compute()
    found: T | None = None
    problem = ""
    try:
        found = compute()
    except Exception as failure:
        problem = describe(failure)  # the other processes wait for an answer
    found, problem = broadcast_from_rank0((found, problem))
    if problem:
        raise RuntimeError(problem)
    return cast("T", found)


def gather_values(value: T) -> list[T]:
    """The values of all processes by rank, in every process. It must be possible to pickle them."""
    world = rank_and_world()[1]
    if world == 1:
        return [value]
    values = [value] * world
    dist.all_gather_object(values, value)
    return values


def all_reduce_mean(values: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Means over the processes.

    Args:
        values: by name; all processes must know the same names in the same order.
        device: over which they are exchanged.

    Returns:
        The means by name, in single precision if there are several processes.
    """
    world = rank_and_world()[1]
    if world == 1 or not values:
        return dict(values)
    sums = torch.tensor(list(values.values()), device=device, dtype=torch.float32)
    dist.all_reduce(sums)
    return dict(zip(values, (sums / world).tolist(), strict=True))


def all_gather(rows: torch.Tensor) -> tuple[torch.Tensor, slice]:
    """The rows of all processes side by side.

    Args:
        rows: (R, B), where B may differ between processes.

    Returns:
        The rows (R, sum of B), and where this process's columns stand.
    """
    rank, world = rank_and_world()
    if world == 1:
        return rows, slice(None)
    own = torch.tensor([rows.shape[1]], device=rows.device)
    sizes = [torch.empty_like(own) for _ in range(world)]
    dist.all_gather(sizes, own)
    widths = [int(size) for size in sizes]
    padded = torch.nn.functional.pad(rows, (0, max(widths) - rows.shape[1])).contiguous()
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded)
    first = sum(widths[:rank])
    joined = torch.cat([part[:, :width] for part, width in zip(parts, widths, strict=True)], 1)
    return joined, slice(first, first + widths[rank])
