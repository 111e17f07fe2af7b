"""What a method says whose loss takes the batch as a whole, of which each of several processes holds a part."""

from __future__ import annotations

from cotoolkit.core.distributed import rank_and_world
from cotoolkit.core.errors import ConfigError


def require_one_process(method: str, reason: str) -> None:
    """Refuse to train in several processes.

    Args:
        method: its name.
        reason: what it takes of the whole batch.

    Raises:
        ConfigError: several processes train.
    """
    if rank_and_world()[1] > 1:
        raise ConfigError(f"{method} trains in one process: {reason}")
