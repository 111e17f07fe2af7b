"""A monitor of whatever network, on a few points."""

import torch

from cotoolkit import BreakpointMonitor
from cotoolkit.monitor.config import MonitorConfig

OFTEN = MonitorConfig(interval=2, points=20, steps=3)


def points(count=30):
    """Images of one channel with labels of four classes."""
    draws = torch.Generator().manual_seed(0)
    return torch.rand(count, 1, 6, 6, generator=draws, dtype=torch.float32), torch.arange(count) % 4


def monitor_of(network, given=None, **options):
    """That watches the network on `given`, or on `points()`."""
    return BreakpointMonitor(network, points() if given is None else given, epsilon=0.1, **{"config": OFTEN, **options})
