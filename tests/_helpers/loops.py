"""A loop whose robustness at every moment is written down, so that the monitor's decisions have a known truth."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.early_warning import EarlyWarning, Rule, Shift
from cotoolkit.monitor.monitor import BreakpointMonitor
from tests._helpers.scripted import result

OFTEN = MonitorConfig(interval=50)
QUICK = Rule("abnormal_example", "rises", Shift(fast=0.5, slow=0.125), 0.25)
"""Like a default rule, with a shorter memory."""


class Clock(nn.Module):
    """A network whose weight says how many updates it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([images.flatten(1).sum(1) * self.time] * 10, 1)


class Scripted(BreakpointMonitor):
    """Its probes find the PGD accuracy that `pgd` gives for the weight, be it the present one or one of the past."""

    def __init__(self, model: Clock, pgd: Callable[[float], float], **options) -> None:
        points = torch.zeros(10, 1, 2, 2), torch.arange(10)
        super().__init__(model, points, epsilon=0.1, config=OFTEN, **options)
        self.early_warning = EarlyWarning([QUICK])
        self.pgd = pgd
        self.asked: list[float] = []

    def _measure(self, weights=None, enough=None):
        time = float((self.network.state_dict() if weights is None else weights)["time"])
        self.asked.append(time)
        return result(self.pgd(time))


def train(monitor: Scripted, iterations: int, signals: Callable[[int], dict] = lambda iteration: {}) -> None:
    """Every update moves the clock by one."""
    for _ in range(iterations):
        with torch.no_grad():
            monitor.network.time.add_(1)
        monitor.step(**signals(monitor.iteration + 1))


def breaks_at(time: float) -> Callable[[float], float]:
    """Robust before, broken from then on."""
    return lambda now: 0.5 if now < time else 0.0


def kinds(monitor: BreakpointMonitor) -> list[str]:
    """Of the events it told."""
    return [event.kind for event in monitor.events]


def losses(abnormal: bool) -> dict[str, Tensor]:
    """By-products of an attack that raises every loss, or lowers every one."""
    return {"start_losses": torch.ones(64), "losses": torch.full((64,), 0.5 if abnormal else 2.0)}


def abnormal_from(time: int) -> Callable[[int], dict]:
    """By-products of an attack that raises every loss before an iteration, and lowers every one from it on."""
    return lambda i: losses(i >= time)
