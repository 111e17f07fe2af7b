"""What `BreakpointMonitor` adds to a plain FGSM loop: by counted passes, and as ratios of step times.

    uv run python benchmarks/monitor_bench.py [--repeats 20] [--threads 1]

For each network, at default settings and without a warning:

1. Passes: images that probes send forward and backward through the network, as a share of those of training; in the
   first 500 iterations, with their early probes, and in any 500 that follow. Free signals take none. A count.
2. Time: signals (read at every step) with the copies of weights, in turn with the same loop without a monitor, and what
   probes take besides. Turns are short, so that noise hits both alike. The aim is below 3 % on a small network and
   below 1 % on a ResNet. `--all-signals` measures with those of gradients and perturbations, too.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit import BreakpointMonitor
from cotoolkit.models import build_model
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.early_warning import DEFAULT_RULES, EarlyWarning
from cotoolkit.monitor.weight_history import RestorePoint

TURN = 16
"""Steps of a turn: one copy of the weights falls into each."""


def loop(model: nn.Module, images: Tensor, labels: Tensor, monitor: BreakpointMonitor | None) -> Callable[[], None]:
    """`TURN` steps of FGSM training."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def turn() -> None:
        for _ in range(TURN):
            x = images.clone().requires_grad_()
            start_losses = F.cross_entropy(model(x), labels, reduction="none")
            (gradient,) = torch.autograd.grad(start_losses.mean(), x)
            adversarial = (images + 8 / 255 * gradient.sign()).clamp(0, 1)
            if monitor is not None:
                adversarial.requires_grad_(monitor.trace)
            losses = F.cross_entropy(model(adversarial), labels, reduction="none")
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            if monitor is not None:
                monitor.step(
                    losses=losses,
                    start_losses=start_losses,
                    attack_gradient=gradient,
                    images=images,
                    adversarial=adversarial,
                )

    return turn


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def passes(network: nn.Module, work: Callable[[], object]) -> int:
    """Images that go forward, and gradients that come back, while something is done."""
    seen = 0

    def back(gradient: Tensor) -> None:
        nonlocal seen
        seen += len(gradient)

    def forward(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal seen
        seen += len(output)
        if output.requires_grad:
            output.register_hook(back)

    hook = network.register_forward_hook(forward)
    work()
    hook.remove()
    return seen


def measure(
    name: str,
    model: str | dict[str, object],
    shape: tuple[int, int, int],
    batch: int,
    repeats: int,
    *,
    all_signals: bool,
) -> None:
    draws = torch.Generator().manual_seed(0)
    images, labels = torch.rand(batch, *shape, generator=draws), torch.arange(batch) % 10
    held_out = torch.rand(128, *shape, generator=draws), torch.arange(128) % 10
    plain, watched = (build_model(model, shape, 10, seed=0) for _ in range(2))
    monitor = BreakpointMonitor(
        watched, held_out, epsilon=8 / 255, config=MonitorConfig(interval=0), all_signals=all_signals
    )
    # It reads, and never warns: what a probe costs is counted apart.
    monitor.early_warning = EarlyWarning([dataclasses.replace(rule, threshold=math.inf) for rule in DEFAULT_RULES])
    monitor.good = RestorePoint.of(monitor.snapshot(), None)  # from the first good probe on there are copies to make
    monitor.history.restart(monitor.good.snapshot)
    without, with_it = loop(plain, images, labels, None), loop(watched, images, labels, monitor)
    without(), with_it()
    turns = [(seconds(without), seconds(with_it)) for _ in range(repeats)]
    ratio = statistics.median(slow / fast for fast, slow in turns)
    step = statistics.median(fast for fast, _ in turns) / TURN
    probe = statistics.median(seconds(monitor._measure) for _ in range(5))
    trained, probed = passes(watched, with_it) / TURN, passes(watched, monitor._measure)
    config = MonitorConfig()
    early = sum(config.scheduled(iteration) for iteration in range(1, config.interval + 1))
    shares = [count * probed / (config.interval * trained) for count in (early, 1)]
    print(f"{name}, batch {batch}, {1e3 * step:.1f} ms a step, {repeats} turns of {TURN} steps")
    print(
        f"  passes: {trained:.0f} a step, {probed} a probe: {shares[0]:.2%} more in the first {config.interval} "
        f"iterations, {shares[1]:.2%} more after that"
    )
    print(
        f"  time: {ratio - 1:.1%} more for signals and copies (median), {probe / step / config.interval:.1%} more for "
        f"probes after the first {config.interval} iterations ({probe / step:.1f} steps each): "
        f"{ratio - 1 + probe / step / config.interval:.1%} in all"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--all-signals", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    measure("small_cnn on 8x8", "small_cnn", (1, 8, 8), 64, arguments.repeats, all_signals=arguments.all_signals)
    thin = {"name": "preact_resnet18", "width": 8}
    repeats = max(3, arguments.repeats // 4)
    measure("preact_resnet18 of width 8 on 32x32", thin, (3, 32, 32), 64, repeats, all_signals=arguments.all_signals)
