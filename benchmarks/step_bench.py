"""What a training step, the monitor and early freezing cost: ratios, each measured in one run on this machine.

    uv run python benchmarks/step_bench.py [--repeats 5] [--width 64]

1. FGSM step of PreActResNet-18 at batch 128 against the naive step (attack by `loss.backward()` with parameter
   gradients, NCHW), in turn, so that a machine whose speed drifts changes both.
2. The monitor's share of training time on the demo's network, at default settings, in turn with and without it.
3. Gradient evaluations of PGD-50-10 after catastrophic overfitting, early freezing against the full loop: a count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.evaluation.protocol import named_protocol, run_protocol
from cotoolkit.methods import FGSM, Batch
from cotoolkit.models import PreActResNet18, build_model
from cotoolkit.models.memory_format import safe_memory_format
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_STEPS
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.demo import demo_study
from cotoolkit.training.recorder import Recorder
from cotoolkit.training.trainer import Trainer


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def naive_fgsm(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
) -> None:
    """The step as people write it: the attack by `loss.backward()`, with parameter gradients that nobody uses."""
    delta = torch.zeros_like(images, requires_grad=True)
    F.cross_entropy(model(images + delta), labels).backward()
    assert delta.grad is not None
    delta = (images + epsilon * delta.grad.sign()).clamp(0, 1) - images
    optimizer.zero_grad()
    F.cross_entropy(model(images + delta), labels).backward()
    optimizer.step()


def fgsm_step(repeats: int, width: int, batch_size: int = 128) -> None:
    """Throughput of our FGSM step over the naive one's; the same network, data and optimiser."""
    epsilon = 8 / 255
    images, labels = torch.rand(batch_size, 3, 32, 32), torch.randint(10, (batch_size,))

    def network() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        model = build_model(PreActResNet18(width=width), (3, 32, 32), 10, seed=0)
        return model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)

    (naive_model, naive_optimizer), (model, optimizer) = network(), network()
    memory_format = safe_memory_format(model)
    model.to(memory_format=memory_format)

    def naive() -> None:
        naive_fgsm(naive_model, naive_optimizer, images, labels, epsilon)

    def update(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    # Untraced: the naive step leaves nothing to the signals either.
    fast_images = images.contiguous(memory_format=memory_format)
    batch = Batch(fast_images, labels, ThreatModel(epsilon), torch.Generator(), trace=False)
    naive(), FGSM().step(model, batch, update)
    pairs = [(seconds(naive), seconds(lambda: FGSM().step(model, batch, update))) for _ in range(repeats)]
    ratios = sorted(slow / fast for slow, fast in pairs)
    print(
        f"FGSM step, PreActResNet-18 width {width}, batch {batch_size}: {statistics.median(ratios):.2f}x the naive "
        f"step's throughput ({ratios[0]:.2f} to {ratios[-1]:.2f}, {repeats} pairs; "
        f"{statistics.median(slow for slow, _ in pairs):.2f} s against {statistics.median(f for _, f in pairs):.2f} s)"
    )


def monitor_overhead(repeats: int) -> None:
    """What watching adds to the training time of the demo's network, at default settings and the demo's length."""
    base = demo_study().runs()[-1].to_data()
    config = RunConfig.parse({**base, "monitor": {}, "intervention": None, "epsilon": 0.1})
    torch.set_num_threads(1)
    plain, watched = (Trainer(config, device="cpu") for _ in range(2))
    monitor, total = watched.monitor, watched.total
    recorder = Recorder(RunFolder("unused"))
    probes = 1 + sum(config.monitor.scheduled(iteration) for iteration in range(1, total))  # 1: the last iteration

    def train(iterations: int) -> None:
        for _ in range(iterations):
            plain.step(trace=False)

    def train_watched(iterations: int) -> None:
        for first in range(0, iterations, MAX_BUFFERED_STEPS):
            chunk = range(first, min(first + MAX_BUFFERED_STEPS, iterations))
            watched._record_signals(
                recorder, [watched.step(trace=step % config.monitor.trace_every == 0) for step in chunk]
            )

    def probe() -> None:
        monitor.on_probe(watched.iteration, watched.measure())

    shares = []
    with fork_global_rng(0, "layers"):
        train(20), train_watched(20), probe()
        for _ in range(repeats):
            # Short turns, so that both see the machine in the same mood.
            turns = [(seconds(lambda: train(16)), seconds(lambda: train_watched(16))) for _ in range(16)]
            slow, fast = sum(w for _, w in turns) / 256, sum(p for p, _ in turns) / 256
            one = statistics.median(seconds(probe) for _ in range(5))
            shares.append(((slow - fast) / fast, probes * one / (total * fast)))
    signals, probing = (statistics.median(share) for share in zip(*shares, strict=True))
    print(
        f"monitor at default settings, demo network: {signals + probing:.1%} of training time (signals in "
        f"{total} iterations {signals:.1%}, {probes} probes {probing:.1%}; medians of {repeats})"
    )


def early_freezing() -> None:
    """Gradients that early freezing saves on a network that overfits catastrophically by the demo's setting."""
    torch.set_num_threads(1)
    config = demo_study().runs()[-3]
    trainer = Trainer(config, device="cpu")
    with fork_global_rng(0, "layers"):
        trainer.advance(trainer.total)
    images, labels = trainer.test
    protocol = named_protocol("pgd-50-10")
    found = run_protocol(trainer.module, images, labels, config.threat, protocol)
    full = len(labels) * protocol.steps * protocol.restarts
    print(
        f"PGD-50-10 after catastrophic overfitting (robust accuracy {found.accuracy.value:.1%}): "
        f"{found.gradient_evaluations} input gradients instead of {full}, "
        f"{full / found.gradient_evaluations:.0f}x fewer"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--width", type=int, default=64, help="channels of the first stage of PreActResNet-18")
    arguments = parser.parse_args()
    fgsm_step(arguments.repeats, arguments.width)
    monitor_overhead(arguments.repeats)
    early_freezing()
