"""The runs of the benchmark: with a breakpoint, healthy ones, and those that lose robustness otherwise.

What a setting is *meant* to do decides nothing: each run is filed by its own truth (`break_dates.judge_truth`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cotoolkit.config import RunConfig

DIGITS: dict[str, Any] = {
    "data": {"name": "digits"},
    "model": {"name": "small_cnn"},
    "method": "fgsm",
    "epsilon": 0.25,
    "box": "none",
    "epochs": 24,
    "batch_size": 64,
    "learning_rate": 0.1,
    "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
}
"""480 iterations; the injected data leave [0, 1], hence no box. The demo's settings of today, written out on purpose: a
benchmark must not move when the demo does."""

FASHION: dict[str, Any] = {
    **DIGITS,
    "data": {"name": "fashion_mnist", "train_size": 2500, "test_size": 500},
    "model": {"name": "small_cnn", "width": 8},
    "box": "box_then_eps",
    "epochs": 8,
    "learning_rate": 0.05,
    "schedule": {"kind": "cyclic", "peak": 0.3},
}
"""2,500 images, 312 iterations."""


def _inject(beta: float) -> dict[str, Any]:
    return {"name": "inject", "carrier": "paired", "beta": beta}


class BenchmarkSetting(NamedTuple):
    """A family of runs that differ in their seed alone.

    Attributes:
        name: for people and tables.
        config: configuration data without the seed.
        seeds: how many runs.
    """

    name: str
    config: Mapping[str, Any]
    seeds: int


WIDE = {"name": "small_cnn", "width": 32}
CONSTANT = {"kind": "constant"}
FEW: dict[str, Any] = {
    **DIGITS,
    "method": {"name": "pgd", "steps": 5},
    "epsilon": 0.15,
    "box": "box_then_eps",
    "batch_size": 50,
    "schedule": CONSTANT,
}
"""PGD on few images, 600 iterations."""
LATE_PEAK = {"kind": "cyclic", "peak": 0.9}

SETTINGS = (
    # Meant to have a breakpoint.
    BenchmarkSetting("digits, injected, FGSM", {**DIGITS, "intervention": _inject(0.15)}, 8),
    BenchmarkSetting("digits, injected, FGSM, ε 0.3", {**DIGITS, "intervention": _inject(0.2), "epsilon": 0.3}, 8),
    BenchmarkSetting("digits, injected, FGSM, width 32", {**DIGITS, "intervention": _inject(0.15), "model": WIDE}, 8),
    BenchmarkSetting(
        "digits, injected, FGSM, ε 0.3, width 32",
        {**DIGITS, "intervention": _inject(0.2), "epsilon": 0.3, "model": WIDE},
        8,
    ),
    BenchmarkSetting(
        "digits, injected, RS-FGSM, ε 0.3, width 32",
        {**DIGITS, "intervention": _inject(0.15), "method": "rs_fgsm", "epsilon": 0.3, "model": WIDE},
        8,
    ),
    BenchmarkSetting("Fashion-MNIST, FGSM, ε 0.2", {**FASHION, "epsilon": 0.2}, 8),
    BenchmarkSetting(
        "Fashion-MNIST, FGSM, ε 0.2, learning rate 0.1", {**FASHION, "epsilon": 0.2, "learning_rate": 0.1}, 8
    ),
    BenchmarkSetting("Fashion-MNIST, RS-FGSM, ε 0.25", {**FASHION, "epsilon": 0.25, "method": "rs_fgsm"}, 8),
    # Meant to stay healthy.
    BenchmarkSetting("digits, FGSM", DIGITS, 8),
    BenchmarkSetting("digits, FGSM, ε 0.15, MLP", {**DIGITS, "epsilon": 0.15, "model": {"name": "mlp"}}, 6),
    BenchmarkSetting(
        "digits, injected, PGD", {**DIGITS, "intervention": _inject(0.15), "method": {"name": "pgd", "steps": 5}}, 8
    ),
    BenchmarkSetting(
        "digits, injected, N-FGSM", {**DIGITS, "intervention": _inject(0.1), "method": "n_fgsm", "epsilon": 0.2}, 8
    ),
    BenchmarkSetting("digits, RS-FGSM, ε 0.15", {**DIGITS, "epsilon": 0.15, "method": "rs_fgsm"}, 8),
    BenchmarkSetting(
        "digits, injected, GradAlign",
        {**DIGITS, "intervention": _inject(0.15), "method": {"name": "gradalign", "weight": 1.0}},
        6,
    ),
    BenchmarkSetting("Fashion-MNIST, FGSM, ε 0.05", {**FASHION, "epsilon": 0.05}, 8),
    BenchmarkSetting("Fashion-MNIST, N-FGSM, ε 0.08", {**FASHION, "epsilon": 0.08, "method": "n_fgsm"}, 8),
    BenchmarkSetting("Fashion-MNIST, RS-FGSM, ε 0.05", {**FASHION, "epsilon": 0.05, "method": "rs_fgsm"}, 8),
    # Meant to lose robustness otherwise: overfitting to few images, or a learning rate that is far too large.
    BenchmarkSetting(
        "digits, 150 images, PGD", {**FEW, "data": {"name": "digits", "train_size": 150}, "epochs": 200}, 3
    ),
    BenchmarkSetting(
        "digits, 50 images, PGD, ε 0.2",
        {**FEW, "data": {"name": "digits", "train_size": 50}, "epsilon": 0.2, "epochs": 600},
        10,
    ),
    BenchmarkSetting(
        "digits, FGSM, learning rate 1", {**DIGITS, "epsilon": 0.15, "learning_rate": 1.0, "schedule": LATE_PEAK}, 8
    ),
    BenchmarkSetting(
        "Fashion-MNIST, FGSM, learning rate 1",
        {**FASHION, "epsilon": 0.05, "learning_rate": 1.0, "schedule": LATE_PEAK},
        6,
    ),
)
"""All runs of the benchmark."""


def configs() -> Iterator[tuple[str, RunConfig]]:
    """Every run, with its setting's name; seeds first, so that an early end still has all settings."""
    for seed in range(max(setting.seeds for setting in SETTINGS)):
        for setting in SETTINGS:
            if seed < setting.seeds:
                yield setting.name, RunConfig.parse({**setting.config, "seed": seed})
