"""Sizes of an experiment, and the named scales made of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SparseCoding
from analyses.purification.synthetic_world.training import BiasSchedule, Descent
from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.scale import Scale

Role = Literal["size", "grid"]

PROTOCOL = 1
"""Raised when the same setting would give other numbers, lest stored tables of the old code be taken for new."""


@dataclass(frozen=True)
class SyntheticSetting:
    """One size of the world and of the network, and how long to train; every number a choice [M].

    Attributes:
        name: for tables and figures.
        d: input dimension.
        k: sparsity.
        m: units.
        clean_steps: T_f, of clean training.
        adversarial_steps: T_g, of training on from the clean weights.
        batch: fresh samples a step.
        points: fresh test samples.
        seeds: independent worlds, numbered from 0.
        role: `size` in the sequence of sizes that trends are read from, `grid` for the dependence on k and d alone.
        full: whether to train the controls and the low-complexity models too.
        sigma_x: norm of the input noise.
    """

    name: str
    d: int
    k: int
    m: int
    clean_steps: int
    adversarial_steps: int
    batch: int
    points: int
    seeds: int
    role: Role = "size"
    full: bool = False
    sigma_x: float = 0.3

    @property
    def identity(self) -> str:
        """Twelve hex digits that change with every number of the setting, and with the protocol."""
        content = json.dumps([PROTOCOL, dataclasses.asdict(self)], sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()

    @property
    def coding(self) -> SparseCoding:
        """The data."""
        return SparseCoding(self.d, self.k, sigma_x=self.sigma_x)

    @property
    def descent(self) -> Descent:
        """How weights are updated."""
        return Descent(self.batch)

    @property
    def schedule(self) -> BiasSchedule:
        """The bias during clean training."""
        return BiasSchedule.usual(self.d, self.k, self.clean_steps)

    @property
    def radius(self) -> float:
        """l2 radius of training and judgement, 0.19 / sqrt(k): below the information limit 1 / sqrt(k) [D]."""
        return 0.19 / math.sqrt(self.k)

    @property
    def linf_radius(self) -> float:
        """Radius of linf balls whose corners have the l2 norm 0.24 / sqrt(k)."""
        return 0.24 / math.sqrt(self.k * self.d)

    @property
    def short_steps(self) -> int:
        """Steps of adversarial training with PGD, and of FGM to compare it with: PGD is dear."""
        return self.adversarial_steps // 8

    @property
    def model_steps(self) -> int:
        """Steps of each stage of a low-complexity model; their training is convex and soon done."""
        return self.clean_steps // 5

    def net(self, weights: Tensor) -> SymmetricNet:
        """The network of trained weights, with the schedule's last bias."""
        return SymmetricNet.ruled(weights, self.schedule.late, self.descent.sigma_rho)


def settings(scale: Scale) -> list[SyntheticSetting]:
    """The settings of a scale, small first.

    smoke asks whether the mechanism is there, laptop whether it follows the theory's powers of d and k.

    Raises:
        ConfigError: no such scale.
    """
    if scale == "smoke":
        return [
            _sized("d49", 49, 6, (400, 400), seeds=4, points=1000, batch=300),
            _sized("d64", 64, 7, (400, 400), seeds=4, points=1000, batch=300),
            _sized("d100-k5", 100, 5, (400, 400), seeds=3, points=1000, batch=300, role="grid"),
            _sized("d100", 100, 9, (500, 500), seeds=4, points=2000, batch=300, full=True),
        ]
    if scale != "laptop":
        raise ConfigError(f"unknown scale {scale!r}; choose from smoke, laptop")
    shares = (0.4, 0.55, 0.7, 0.9)  # of sqrt(d), the upper end of the window for k
    cells = [(d, round(share * math.sqrt(d))) for d in (100, 144, 256) for share in shares]
    beyond = [(256, 3), (256, 24)]  # both ends of the window: d^(1/3) is 6.3, d^(1/2) is 16
    return [
        *(
            _sized(f"grid-{d}-{k}", d, k, (600, 600), seeds=3, points=2000, batch=400, role="grid")
            for d, k in cells + beyond
        ),
        _sized("tiny", 144, 10, (800, 800), seeds=5, points=4000, batch=600, full=True),
        _sized("small", 256, 14, (800, 800), seeds=5, points=4000, batch=600, full=True),
        _sized("medium", 400, 18, (800, 800), seeds=5, points=4000, batch=600),
    ]


def _sized(
    name: str,
    d: int,
    k: int,
    steps: tuple[int, int],
    *,
    seeds: int,
    points: int,
    batch: int,
    role: Role = "size",
    full: bool = False,
) -> SyntheticSetting:
    return SyntheticSetting(name, d, k, 4 * d, *steps, batch=batch, points=points, seeds=seeds, role=role, full=full)
