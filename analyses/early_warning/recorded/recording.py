"""What is recorded of a run for the benchmark: every signal at every iteration, and the truth apart from them.

The signals are those a monitor could have: free ones from each step, and a probe of few held-out points. The truth is
a dense PGD evaluation that no monitor sees: other points (the test set), other random starts, more and smaller steps.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from analyses.early_warning.recorded.truth import CLASSES, EVERY, LOST, RunTruth, judge_truth, true_breaks, undated
from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.config import RunConfig
from cotoolkit.core.seeding import fork_global_rng, generator
from cotoolkit.evaluation.probe import FIRST_LOOK, Probe
from cotoolkit.evaluation.protocol import Protocol, run_protocol
from cotoolkit.evaluation.relative import Levels, had_robustness
from cotoolkit.models.modes import attack_mode
from cotoolkit.monitor.dating import WINDOW
from cotoolkit.runs.environment import environment
from cotoolkit.signals import Observation, observed_signals
from cotoolkit.signals.local import bilinear_error
from cotoolkit.training.trainer import Trainer

TRUTH = Protocol(steps=20, restarts=1, step_size=0.125)
"""The attack behind the truth: PGD-20, steps of epsilon / 8, one uniform start."""

TRUTH_POINTS = 160
"""Test points of the truth, at most."""

FALLS = 3
"""Times that PGD accuracy falls below `LOST` of its best between two evaluations and every iteration is evaluated,
there and `dating.WINDOW` before and after, and the probe is taken `NEAR` iterations before and after; networks that
oscillate would have dozens. Around breaks that last every iteration is evaluated and probed, wherever they lie."""

NEAR, NEAR_EVERY = 48, 4
"""Iterations around such a fall in which the probe is taken every `NEAR_EVERY` iterations. A probe that a warning calls
for is looked up at the next iteration that has one, so a recorded detector is a little later than a real one."""

BILINEAR_POINTS = 32
"""Images of the batch on which the bilinear error is taken."""

WONG_STEPS = 5
"""PGD steps on one training batch at the end of each epoch, of size epsilon / 4 (2/255 at 8/255): Wong et al., 2020."""

PROBED = ("clean", "fgsm", "two", "pgd")
"""Accuracies that a probe takes: `two` is that under the first two PGD steps, from the same random start. Columns of a
trace are `probe_` and the name for all of the probe's points, `first_` and the name for its first `FIRST_LOOK`."""

PROBE_COLUMNS = (*(f"{part}_{name}" for part in ("probe", "first") for name in PROBED), "gradient_alignment")
"""Columns of a trace that come from probes."""


class Recording(NamedTuple):
    """One run.

    Attributes:
        trace: one row per iteration, a column per signal, and the columns of `PROBED`; nan where one was not taken.
        truth: columns iteration, clean, fgsm, pgd: accuracies on the truth's points after that many updates, at every
            `EVERY` iterations and the last, and around breaks at each.
        iterations: as configured; the trace of a run that diverged has fewer.
    """

    trace: pd.DataFrame
    truth: pd.DataFrame
    iterations: int

    @property
    def diverged(self) -> bool:
        """Whether training ended for a loss or weights that are not finite."""
        return int(self.trace["iteration"].max()) < self.iterations


class Run(NamedTuple):
    """A recorded run.

    Attributes:
        setting: name of its family.
        config: what was trained.
        recording: signals and dense evaluation.
        truth: what happened.
        environment: versions and machine.
    """

    setting: str
    config: RunConfig
    recording: Recording
    truth: RunTruth
    environment: Mapping[str, Any]

    @property
    def seed(self) -> int:
        """Of everything random in it."""
        return self.config.seed

    @classmethod
    def judged(cls, setting: str, config: RunConfig, recording: Recording, made: Mapping[str, Any]) -> Run:
        """A recording filed by its truth; `made` is its environment."""
        return cls(setting, config, recording, judge_truth(recording.truth, diverged=recording.diverged), made)


def record_run(setting: str, config: RunConfig, *, download: bool = False) -> Run:
    """Train a configuration on the CPU, record it, and judge it.

    Args:
        setting: name of its family.
        config: what to train.
        download: let torchvision fetch missing data.
    """
    return Run.judged(setting, config, record(config, download=download), environment("cpu"))


def record(config: RunConfig, *, download: bool = False) -> Recording:
    """Train a configuration on the CPU, and record it. A run whose loss is no longer finite ends there.

    The weights of every iteration are kept in memory and evaluated after training.
    """
    trainer = Trainer(config, device="cpu", download=download)
    weights = [_copied(trainer.module)]
    rows = _train(trainer, weights)
    model, last = copy.deepcopy(trainer.module), len(weights) - 1
    images, labels = (part[:TRUTH_POINTS] for part in trainer.test)
    truth: dict[int, dict[str, float]] = {}

    def evaluate_at(iterations: Iterable[int]) -> pd.DataFrame:
        for iteration in sorted({*iterations} - truth.keys()):
            model.load_state_dict(weights[iteration])
            truth[iteration] = {
                name: run_protocol(model, images, labels, config.threat, protocol, seed=1).accuracy.value
                for name, protocol in (("clean", "clean"), ("fgsm", "fgsm"), ("pgd", TRUTH))
            }
        return pd.DataFrame([{"iteration": iteration, **row} for iteration, row in sorted(truth.items())])

    grid = {*range(0, last, EVERY), last}
    table = evaluate_at(grid)
    for before, after in _falls(table):
        table = evaluate_at(range(max(0, before - WINDOW), min(last, after + WINDOW) + 1))
        grid |= {*range(max(0, after - NEAR), min(last, after + NEAR), NEAR_EVERY)}
    while missing := undated(table):
        table = evaluate_at(missing)
    for found in true_breaks(table):
        grid |= {*range(max(0, found.first - WINDOW), min(last, found.sustained + WINDOW) + 1)}
    grid |= {at for at in range(last) if config.monitor.scheduled(at)}
    probes = _probes(trainer.probe)
    for iteration in sorted(grid - {0}):
        model.load_state_dict(weights[iteration])
        rows[iteration - 1] |= _probed(model, *probes)
    rows[0] = dict.fromkeys(PROBE_COLUMNS, math.nan) | rows[0]  # columns of a run that diverged before any probe, too
    return Recording(pd.DataFrame(rows), table, trainer.total)


def _train(trainer: Trainer, weights: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """Train to the end, one row of free signals per iteration; `weights` grows by each iteration's."""
    config, rows = trainer.config, []
    with fork_global_rng(config.seed, "layers"):
        while trainer.iteration < trainer.total:
            step, labels = trainer.step()
            now = trainer.iteration
            (signals,) = observed_signals([[Observation.of_record(step, labels)]])
            rows.append(row := {"iteration": now, **signals})
            if not (math.isfinite(row["train_loss"]) and all(p.isfinite().all() for p in trainer.module.parameters())):
                break
            weights.append(_copied(trainer.module))
            images = trainer.batches.batch(now - 1).images
            few = slice(BILINEAR_POINTS)
            row["bilinear_error"] = _bilinear(trainer.module, images[few], labels[few], config, now)
            if now % len(trainer.batches) == 0:
                row["train_pgd"] = _batch_pgd(trainer.module, images, labels, config, now)
    return rows


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _falls(table: pd.DataFrame) -> list[tuple[int, int]]:
    """The first `FALLS` pairs of neighbouring evaluations between which PGD accuracy fell below `LOST` of its best."""
    best = table["pgd"].cummax()
    below = (table["pgd"] < LOST * best) & best.map(lambda top: had_robustness(Levels(top), CLASSES))
    fell = [at for at in range(1, len(table)) if below[at] and not below[at - 1]]
    return [(int(table["iteration"][at - 1]), int(table["iteration"][at])) for at in fell[:FALLS]]


def _probes(probe: Probe) -> tuple[Probe, Probe, Probe]:
    """The probe; the same points and starts under two PGD steps; and its first points with their starts, under one."""
    images, labels, threat = probe.images, probe.labels, probe.threat
    two = Probe(images, labels, threat, min(2, probe.steps), 0)
    first = Probe(images[:FIRST_LOOK], labels[:FIRST_LOOK], threat, 1, 0)
    two.start, first.start = probe.start, probe.start[:FIRST_LOOK]
    return probe, two, first


def _probed(model: nn.Module, whole: Probe, two: Probe, first: Probe) -> dict[str, float]:
    """The columns of `PROBED`, and the gradient alignment."""
    found, after_two, few = whole.measure(model), two.measure(model), first.measure(model)
    shares = {"clean": found.clean, "fgsm": found.fgsm, "two": after_two.pgd, "pgd": found.pgd}
    of_first = {
        "clean": few.clean,
        "fgsm": few.fgsm,
        "two": _share(after_two.robust[:FIRST_LOOK]),
        "pgd": _share(found.robust[:FIRST_LOOK]),
    }
    measured = [shares[name] for name in PROBED] + [of_first[name] for name in PROBED] + [found.gradient_alignment]
    return dict(zip(PROBE_COLUMNS, measured, strict=True))


def _share(robust: Sequence[bool]) -> float:
    return sum(robust) / len(robust)


def _bilinear(model: nn.Module, images: Tensor, labels: Tensor, config: RunConfig, iteration: int) -> float:
    """Mean bilinear error of ELLE on the batch: 3 forward passes."""
    draws = generator(config.seed, "probe", 2 * iteration)
    first, second = (config.threat.random_start(images, draws) for _ in range(2))
    share = torch.rand(len(images), 1, 1, 1, generator=draws, dtype=torch.float32)
    between = (1 - share) * first + share * second
    with attack_mode(model, "train"), torch.no_grad():
        at_first, at_second, at_mixed = (
            nn.functional.cross_entropy(model(images + delta), labels, reduction="none")
            for delta in (first, second, between)
        )
    return float(bilinear_error(at_first, at_second, at_mixed, share.flatten()).mean())


def _batch_pgd(model: nn.Module, images: Tensor, labels: Tensor, config: RunConfig, iteration: int) -> float:
    """PGD accuracy on a training batch as in Wong's code: the last iterate from a uniform start, in train mode."""
    threat = config.threat
    delta = threat.random_start(images, generator(config.seed, "probe", 2 * iteration + 1))
    with attack_mode(model, "train"):
        for _ in range(WONG_STEPS):
            gradient = input_gradient(model, images + delta, labels).gradient
            delta = threat.project(images, delta + threat.epsilon / 4 * threat.steepest(gradient))
        with torch.no_grad():
            correct = model(images + delta).argmax(1) == labels
    return float(correct.float().mean())
