"""What a step costs: passes, counted, and seconds as a ratio to clean training, measured in alternation in one process.

A machine's speed drifts, so a method and clean training take turns, and each pair of turns gives one ratio.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from analyses.method_comparison.plan import ComparisonPlan
from cotoolkit.config import RunConfig
from cotoolkit.core.files import write_atomically
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.studies.overrides import apply
from cotoolkit.training.trainer import Trainer

WARM_UP, TURNS, STEPS = 2, 9, 5
"""Steps before the first turn, turns of each method, steps of a turn."""

TIMED_BATCHES = 20
"""Batches of training images that are read for it: seconds of a step do not depend on how many there are."""

COST = (
    *("settings", "method", "forward", "backward", "double_backward", "counted_forward", "counted_backward", "units"),
    *("time", "time_low", "time_high", "milliseconds", "device"),
)
"""Columns of the costs.

forward, backward, double_backward: passes of a step as the method declares them (`methods.Cost`).
counted_forward, counted_backward: mean of those counted in the `TURNS` * `STEPS` steps that are timed, which are the
first ones of a run but for `WARM_UP`, on `TIMED_BATCHES` batches: what a method's steps cost later, where that depends
on the data or the iteration (`methods.Method.costs_more`), they do not say.
units: forward-backward passes of an update of the weights, (counted_forward + counted_backward) / 2 for a method that
makes one a step: a lone forward is one half.
time: seconds of an update over those of clean training: the median of `TURNS` pairs of turns, and its 96 % interval,
the second least and the second greatest.
milliseconds: of a step, on that device, whatever else it did.
"""


class TurnTimes(NamedTuple):
    """Two trainers that took turns.

    Attributes:
        ratios: seconds of the first over the second's, by pair of turns.
        milliseconds: median of a step of the first.
        forward: passes of a step of the first, counted, mean.
        backward: the same of gradients that flow back through the output.
    """

    ratios: list[float]
    milliseconds: float
    forward: float
    backward: float

    @property
    def interval(self) -> tuple[float, float, float]:
        """Median ratio, and its interval: with 9 pairs the second least and second greatest hold it to 96 %."""
        ordered = sorted(self.ratios)
        return statistics.median(ordered), ordered[1], ordered[-2]


def costs_of(
    plan: ComparisonPlan,
    folder: Path,
    device: str,
    on_measured: Callable[[str, int, int], None] = lambda title, done, total: None,
    *,
    fresh: bool = False,
) -> pd.DataFrame:
    """The costs of all methods of a comparison, once for each of its settings; what is known already is read.

    Args:
        plan: of the comparison.
        folder: where costs are kept.
        device: of training.
        on_measured: called as methods end, with a title and how many of how many.
        fresh: measure all again.

    Returns:
        Columns `COST`, one row per settings and method.
    """
    firsts: dict[tuple[str, str], RunConfig] = {}
    for run in plan.firsts():
        firsts.setdefault((plan.settings_of[run.group], run.arm), run.config)
    rows = {key: _path(folder, config, device) for key, config in firsts.items()}
    todo = [key for key, path in rows.items() if fresh or not path.exists()]
    for done, key in enumerate(todo, start=1):
        config = _timed(firsts[key])
        found = take_turns(*(Trainer(each, device=torch.device(device)) for each in (config, _standard(config))))
        content = {**found._asdict(), "device": _device_name(device)}
        write_atomically(rows[key], (json.dumps(content) + "\n").encode())
        on_measured(f"cost of {key[1]}", done, len(todo))
    return pd.DataFrame([_row(*key, firsts[key], rows[key]) for key in rows]).reindex(columns=list(COST))


def take_turns(trainer: Trainer, other: Trainer) -> TurnTimes:
    """Train two by turns.

    Args:
        trainer: whose cost is asked for.
        other: to which it is compared.

    Returns:
        Ratios and passes.
    """
    with _one_thread(trainer.device), fork_global_rng(trainer.config.seed, "layers"):
        _seconds(trainer, WARM_UP), _seconds(other, WARM_UP)
        with _counting(trainer) as passes:
            turns = [(_seconds(trainer, STEPS), _seconds(other, STEPS)) for _ in range(TURNS)]
    return TurnTimes(
        ratios=[own / others for own, others in turns],
        milliseconds=1000 * statistics.median(own for own, _ in turns) / STEPS,
        forward=passes["forward"] / (TURNS * STEPS),
        backward=passes["backward"] / (TURNS * STEPS),
    )


@contextlib.contextmanager
def _counting(trainer: Trainer) -> Iterator[dict[str, float]]:
    """Count batches that go through the network, and gradients that come back through its output."""
    passes, batch = {"forward": 0.0, "backward": 0.0}, trainer.config.batch_size

    def on_forward(module: torch.nn.Module, given: tuple[Any, ...], output: Tensor) -> None:
        share = len(output) / batch
        passes["forward"] += share
        if output.requires_grad:
            output.register_hook(lambda gradient: passes.update(backward=passes["backward"] + share))

    handle = trainer.model.register_forward_hook(on_forward)
    try:
        yield passes
    finally:
        handle.remove()


def _seconds(trainer: Trainer, steps: int) -> float:
    _wait(trainer.device)
    started = time.perf_counter()
    for _ in range(steps):
        trainer.step(trace=False)
    _wait(trainer.device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """On a CPU runs train with one thread each, so they are timed with one."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _timed(config: RunConfig) -> RunConfig:
    """The run with few images, and long enough for all turns."""
    train_size = TIMED_BATCHES * config.batch_size
    if config.data.train_size is None or config.data.train_size > train_size:
        config = RunConfig.parse(apply(config.to_data(), {"data.train_size": train_size}))
    return RunConfig.parse(apply(config.to_data(), {"epochs": max(config.epochs, WARM_UP + TURNS * STEPS), "keep": ()}))


def _standard(config: RunConfig) -> RunConfig:
    return RunConfig.parse({**config.to_data(), "method": "standard"})


def _path(folder: Path, config: RunConfig, device: str) -> Path:
    protocol = [2, _timed(config).identity, WARM_UP, TURNS, STEPS, device, _device_name(device)]
    digest = hashlib.sha256(json.dumps(protocol).encode()).hexdigest()[:12]
    return folder / "costs" / f"{config.title}-{digest}.json"


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def _row(settings: str, method: str, config: RunConfig, path: Path) -> dict[str, Any]:
    stored = json.loads(path.read_text())
    device = stored.pop("device")
    found = TurnTimes(**stored)
    updates = config.method.updates_per_step()
    middle, low, high = (ratio / updates for ratio in found.interval)
    declared = config.method.cost_per_step()
    return {
        "settings": settings, "method": method, **declared._asdict(),
        "counted_forward": found.forward, "counted_backward": found.backward,
        "units": (found.forward + found.backward) / 2 / updates, "time": middle, "time_low": low, "time_high": high,
        "milliseconds": found.milliseconds, "device": device,
    }  # fmt: skip
