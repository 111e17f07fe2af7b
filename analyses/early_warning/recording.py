"""What is recorded of a run for the benchmark: every signal at every iteration, and the truth apart from them.

The signals are those a monitor could have: free ones from each step, and a probe of few held-out points. The truth is
a dense PGD evaluation that no monitor sees: other points (the test set), other random starts, more and smaller steps.
The engine's own dates of the breakpoint are recorded, too, to be held against it.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from analyses.early_warning.break_dates import (
    EVERY,
    FLOOR,
    Dates,
    RecordedWeights,
    RunTruth,
    engine_dates,
    judge_truth,
    undated,
)
from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.core.importing.workers import WorkerImports, without_script
from cotoolkit.core.seeding import fork_global_rng, generator
from cotoolkit.evaluation.protocol import Protocol, run_protocol
from cotoolkit.models.modes import attack_mode
from cotoolkit.monitor.dating import WINDOW
from cotoolkit.runs.environment import environment
from cotoolkit.runs.tables.table_files import write_table
from cotoolkit.signals import Observation, observed_signals
from cotoolkit.signals.local import bilinear_error
from cotoolkit.studies.launchers.local import worker_pool
from cotoolkit.training.run import imports_of
from cotoolkit.training.trainer import Trainer

TRUTH = Protocol(steps=20, restarts=1, step_size=0.125)
"""The attack behind the truth: PGD-20, steps of epsilon / 8, one uniform start."""

TRUTH_POINTS = 160
"""Test points of the truth, at most."""

FALLS = 3
"""Times that robustness falls below half of its best between two evaluations and every iteration is evaluated, there
and `dating.WINDOW` before and after; networks that oscillate would have dozens. Around the breakpoint that lasts every
iteration is, wherever that lies, so that the truth is dated to the iteration."""

NEAR = 64
"""Iterations before and after such a fall in which the probe is taken every `NEAR_EVERY` iterations. A probe that
a warning calls for is looked up at the next iteration that has one, so a recorded detector is a little later than a
real one.
"""

NEAR_EVERY = 4

BILINEAR_POINTS = 32
"""Images of the batch on which the bilinear error is taken."""

WONG_STEPS = 5
"""PGD steps on one training batch at the end of each epoch, of size epsilon / 4 (2/255 at 8/255): Wong et al., 2020."""


class Recording(NamedTuple):
    """One run.

    Attributes:
        trace: one row per iteration, a column per signal; nan where a signal was not taken.
        truth: columns iteration, clean, fgsm, pgd: accuracies on the truth's points after that many updates, at every
            `EVERY` iterations and the last, and around breakpoints at each.
        dates: of the engine for the first breakpoint it finds, if any.
        iterations: as configured; the trace of a run that diverged has fewer.
    """

    trace: pd.DataFrame
    truth: pd.DataFrame
    dates: Dates | None
    iterations: int

    @property
    def diverged(self) -> bool:
        """Whether training ended for a loss or weights that are not finite."""
        return int(self.trace["iteration"].max()) < self.iterations


class Run(NamedTuple):
    """A recorded run.

    Attributes:
        setting: name of its family.
        seed: of everything random in it.
        config: what was trained.
        recording: signals and dense evaluation.
        truth: what happened.
        environment: versions and machine.
    """

    setting: str
    seed: int
    config: RunConfig
    recording: Recording
    truth: RunTruth
    environment: dict[str, Any]


Report = Callable[[str, int, int], None]


def record(config: RunConfig, *, download: bool = False) -> Recording:
    """Train a configuration on the CPU, and record it. A run whose loss is no longer finite ends there.

    The weights of every iteration are kept in memory and evaluated after training.
    """
    trainer = Trainer(config, device="cpu", download=download)
    weights = [_copied(trainer.module)]
    rows = _train(trainer, weights)
    run = RecordedWeights(weights, copy.deepcopy(trainer.module), trainer.probe)
    last = len(weights) - 1
    grid = {*range(0, last, EVERY), last}
    images, labels = (part[:TRUTH_POINTS] for part in trainer.test)
    truth: dict[int, dict[str, float]] = {}

    def evaluate_at(iterations: Iterable[int]) -> pd.DataFrame:
        for iteration in sorted({*iterations} - truth.keys()):
            model = run.at(iteration)
            truth[iteration] = {
                name: run_protocol(model, images, labels, config.threat, protocol, seed=1).accuracy.value
                for name, protocol in (("clean", "clean"), ("fgsm", "fgsm"), ("pgd", TRUTH))
            }
        return pd.DataFrame([{"iteration": iteration, **row} for iteration, row in sorted(truth.items())])

    table = evaluate_at(grid)
    for before, after in _falls(dict(zip(table["iteration"], table["pgd"], strict=True))):
        table = evaluate_at(range(max(0, before - WINDOW), min(last, after + WINDOW) + 1))
        grid |= {*range(max(0, after - NEAR), min(last, after + NEAR), NEAR_EVERY)}
    while missing := undated(table):
        table = evaluate_at(missing)
    dates = engine_dates(run, config.monitor, rows, epoch=len(trainer.batches), total=trainer.total)
    for iteration in sorted(grid - {0}):
        rows[iteration - 1] |= trainer.probe.measure(run.at(iteration)).metrics()
    return Recording(pd.DataFrame(rows), table, dates, trainer.total)


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


def _falls(accuracies: Mapping[int, float]) -> list[tuple[int, int]]:
    """The first `FALLS` pairs of neighbouring evaluations between which PGD accuracy fell below half of its best.

    A best below the least that is robust is none to fall from.
    """
    best, before, falls = 0.0, 0, []
    for iteration, accuracy in accuracies.items():
        if best >= FLOOR and accuracy < best / 2 <= accuracies[before]:
            falls.append((before, iteration))
        best, before = max(best, accuracy), iteration
    return falls[:FALLS]


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


def record_all(
    configs: Iterable[tuple[str, RunConfig]],
    folder: Path,
    *,
    jobs: int,
    download: bool = False,
    report: Report = lambda name, done, total: None,
) -> list[Run]:
    """Record what is missing, and read all.

    Args:
        configs: setting names and configurations.
        folder: of the recordings.
        jobs: processes at a time.
        download: let torchvision fetch missing data.
        report: called as runs end: which, how many of how many.
    """
    configs = list(configs)
    todo = [(name, config) for name, config in configs if not _path(folder, config, "json").exists()]
    done = len(configs) - len(todo)
    if todo:
        tasks = [(name, config.to_data(), imports_of(config)) for name, config in todo]
        with worker_pool(min(jobs, len(todo))) as pool:
            with without_script():
                futures = {pool.submit(_record, *task, str(folder), download): task[0] for task in tasks}
            for future in as_completed(futures):
                future.result()
                done += 1
                report(futures[future], done, len(configs))
    return [read(folder, config) for _, config in configs]


def read(folder: Path, config: RunConfig) -> Run:
    """A recorded run.

    Raises:
        RunError: its files are damaged, or of a benchmark that recorded less.
    """
    path = _path(folder, config, "json")
    try:
        facts = json.loads(path.read_text())
        trace, truth = (pd.read_parquet(_path(folder, config, f"{part}.parquet")) for part in ("trace", "truth"))
        dates = None if facts["dates"] is None else Dates(**facts["dates"])
        recording = Recording(trace, truth, dates, facts["iterations"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise RunError(f"{path}: cannot be read ({reason}); delete it, and the run is recorded again") from None
    judged = judge_truth(truth, diverged=recording.diverged)
    return Run(facts["setting"], config.seed, config, recording, judged, facts["environment"])


def _record(setting: str, data: dict[str, Any], imports: WorkerImports, folder: str, download: bool) -> None:
    """What a worker process does."""
    imports.load()
    config = RunConfig.parse(data)
    found = record(config, download=download)
    path = Path(folder)
    write_table(found.trace, _path(path, config, "trace.parquet"))
    write_table(found.truth, _path(path, config, "truth.parquet"))
    facts = {
        "setting": setting,
        "iterations": found.iterations,
        "dates": None if found.dates is None else found.dates._asdict(),
        "config": data,
        "environment": environment("cpu"),
    }
    write_atomically(_path(path, config, "json"), json.dumps(facts, indent=1).encode())


def _path(folder: Path, config: RunConfig, suffix: str) -> Path:
    return folder / f"{config.title}-{config.identity}.{suffix}"
